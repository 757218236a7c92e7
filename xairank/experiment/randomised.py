"""Networks re-initialised from the head down: the check of Adebayo et al. ("Sanity checks", NeurIPS 2018)."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor, nn

from xairank.attribution.protocol import Model, as_parts

N_STAGES = 5


def randomised_networks(network: nn.Module, images: Tensor, seed: int) -> list[tuple[str, nn.Module]]:
    """Copies of a network, of which each has lost the weights of one more stage, from the head down to the first layer.

    The first stage is the last layer with weights, the head; the others are equal parts of the remaining layers, in the
    order of use. A layer is re-initialised as PyTorch does it; weights that it has no rule for are shuffled. Batch
    norms that were re-initialised take their statistics from ``images``, without which activations would grow or vanish
    from layer to layer.

    Args:
        network: In the protocol of attribution, in evaluation mode; left as it is.
        images: That the network is used for, (B, C, H, W).
        seed: Of the new weights.

    Returns:
        For each stage, what was re-initialised last, in words, and the network.
    """
    current = copy.deepcopy(network)
    modules = dict(current.named_modules())
    used = _layers_in_use(current, images[:1])
    found: list[tuple[str, nn.Module]] = []
    without: list[nn.Module] = []
    with _seeded(seed):
        for stage in _stages(used):
            for name in stage:
                _reinitialise(modules[name])
            if stage[0] == used[0]:  # the last stage: also what no layer holds, such as embeddings of positions
                _shuffle_the_rest(current, set(used))
            without += [modules[name] for name in stage]
            _take_statistics(current, without, images)
            found.append((f"{stage[-1]} to {stage[0]}" if len(stage) > 1 else stage[0], copy.deepcopy(current)))
    return found


def _layers_in_use(network: nn.Module, images: Tensor) -> list[str]:
    """Names of the modules with weights of their own, in the order in which a pass comes to them.

    Not in that in which it leaves them: a transformer with its embeddings of positions is left last, after its head.
    """
    used: dict[str, None] = {}
    handles = [
        module.register_forward_pre_hook(lambda _, __, name=name: used.setdefault(name))
        for name, module in network.named_modules()
        if any(True for _ in module.parameters(recurse=False)) and name
    ]
    try:
        _pass(network, images)
    finally:
        for handle in handles:
            handle.remove()
    return list(used)


def _stages(used: list[str]) -> list[list[str]]:
    """The head, and equal parts of the rest from the last layer to the first; each in the order of use."""
    rest = used[:-1]
    cuts = [round(part * len(rest) / (N_STAGES - 1)) for part in range(N_STAGES)]
    parts = [rest[start:end] for start, end in pairwise(cuts) if end > start]
    return [used[-1:], *reversed(parts)]


def _reinitialise(module: nn.Module) -> None:
    reset = getattr(module, "reset_parameters", None)
    if callable(reset):
        reset()
        return
    for tensor in module.parameters(recurse=False):
        _shuffle(tensor)


def _shuffle_the_rest(network: nn.Module, known: set[str]) -> None:
    for name, module in network.named_modules():
        if name not in known:
            for tensor in module.parameters(recurse=False):
                _shuffle(tensor)


def _shuffle(tensor: Tensor) -> None:
    values = tensor.data.flatten()
    tensor.data = values[torch.randperm(len(values)).to(values.device)].view_as(tensor).contiguous()


def _take_statistics(network: nn.Module, among: list[nn.Module], images: Tensor) -> None:
    """Of all batch norms re-initialised so far: what the later ones see changes with the earlier ones."""
    norms = [module for module in among if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
        norm.momentum = None  # the mean over all batches
    _pass(network, images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.eval()
        norm.momentum = momentum


def _pass(network: nn.Module, images: Tensor) -> None:
    model: Model = network  # type: ignore[assignment]
    with torch.no_grad():
        for batch in images.split(16):
            model.forward_head(*as_parts(model.forward_features(batch)))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """PyTorch's own initialisation draws from the global generator, which is as before at exit."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
