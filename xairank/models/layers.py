"""Which layer of a network gives its feature map."""

import difflib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn

from xairank.errors import UserError
from xairank.models.feature_layer import FeatureLayer, as_feature_layer


def find_feature_layer(model: nn.Module, images: Tensor, name: str | None) -> FeatureLayer | None:
    """The layer called ``name``, or the last that gives a map with influence everywhere; None where none does.

    Args:
        model: In evaluation mode.
        images: A few images that it takes, (B, 3, H, W).
        name: Of a module; None to search.

    Raises:
        UserError: There is no such layer, or it gives no map, or is called several times.
    """
    if name is None:
        maps = with_influence(find_maps(model, images))
        return maps[-1] if maps else None
    check_layer(model, name)
    with recorded_outputs({name: model.get_submodule(name)}) as calls:
        _logits(model, images.detach().requires_grad_())
    return _named_layer(name, [output for _, output in calls], images)


def find_maps(model: nn.Module, images: Tensor) -> list[tuple[FeatureLayer, float]]:
    """The layers that give a map, in the order in which they are done, with the share of positions of influence.

    Influence is a gradient of the logits. Of modules with one output the outermost is the last.

    Args:
        model: In evaluation mode.
        images: A few images that it takes, (B, 3, H, W).

    Raises:
        UserError: The model cannot take the images, or its logits do not depend on them.
    """
    images = images.detach().requires_grad_()
    # A projection, as to queries, keys and values, is a step within a layer and no map of features.
    layers = {name: module for name, module in model.named_modules() if not isinstance(module, nn.Linear)}
    with recorded_outputs(layers) as calls:
        logits = _logits(model, images)
    return _reached(calls, logits, images)


def with_influence(maps: list[tuple[FeatureLayer, float]]) -> list[FeatureLayer]:
    """The maps of influence at most positions; where there are none, at any."""
    for least in (0.5, 0.0):  # behind a global maximum only few positions are reached, whatever the layer
        wanted = [layer for layer, share in maps if share > least]
        if wanted:
            return wanted
    return []


def check_layer(model: nn.Module, name: str) -> None:
    """Checks that a model has a module called ``name``.

    Raises:
        UserError: It has none; names the nearest.
    """
    names = [known for known, _ in model.named_modules()]
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.3)
        hint = f"did you mean {' or '.join(near)}?" if near else "print(model) lists the layers"
        raise UserError(f"layer={name}: {type(model).__name__} has no such layer; {hint}")


def logits_of(output: Any) -> Tensor:  # noqa: ANN401 - whatever a classifier gives
    """The logits (B, classes) in what a classifier gives: a tensor, an object or mapping with ``logits``, or a tuple.

    Raises:
        UserError: There are none.
    """
    found = output
    if isinstance(found, fx.Proxy):  # while torch.fx traces, nothing is known; what it makes is compared afterwards
        return found  # type: ignore[return-value]
    if isinstance(found, dict):
        found = found.get("logits")
    elif not isinstance(found, Tensor):
        found = getattr(found, "logits", found[0] if isinstance(found, tuple | list) and found else None)
    if isinstance(found, Tensor) and found.ndim == 2:
        return found
    shape = f"a tensor {tuple(found.shape)}" if isinstance(found, Tensor) else type(output).__name__
    raise UserError(f"the model gives {shape}; expected logits (images, classes), alone or as the attribute logits")


@contextmanager
def recorded_outputs(modules: dict[str, nn.Module]) -> Iterator[list[tuple[str, Tensor]]]:
    """The tensors that modules give, by name in the order in which they are done; the hooks go at exit."""
    calls: list[tuple[str, Tensor]] = []

    def record(name: str) -> Any:  # noqa: ANN401 - torch's type of a hook
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            first = output[0] if isinstance(output, tuple) and output else output
            if isinstance(first, Tensor):
                calls.append((name, first))

        return hook

    handles = [module.register_forward_hook(record(name)) for name, module in modules.items() if name]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _logits(model: nn.Module, images: Tensor) -> Tensor:
    try:
        with torch.inference_mode(False), torch.enable_grad():
            logits = logits_of(model(images))
    except (RuntimeError, ValueError, AssertionError) as error:
        size = f"{images.shape[-2]} x {images.shape[-1]}"
        reason = " ".join(str(error).split())[:120]
        raise UserError(
            f"image_size: {type(model).__name__} cannot take images of {size} pixels ({reason}); give image_size=N"
        ) from None
    if not bool(logits.isfinite().all()):
        raise UserError(
            f"the logits of {type(model).__name__} are NaN or infinite for an image of noise, so that nothing can be "
            "explained; check its weights"
        )
    if not logits.requires_grad:
        raise UserError(
            "the model's logits have no gradient at the image, so that nothing can be explained: it computes them "
            "under torch.no_grad, or with whole numbers"
        )
    return logits


def _named_layer(name: str, outputs: list[Tensor], images: Tensor) -> FeatureLayer:
    if len(outputs) != 1:
        often = f"is called {len(outputs)} times" if outputs else "is never called with a tensor as its result"
        raise UserError(f"layer={name}: {often} in a pass; choose a layer that is called once")
    layer = _as_layer(name, outputs[0], images)
    if layer is None:
        raise UserError(
            f"layer={name}: gives {tuple(outputs[0].shape)} for images {tuple(images.shape)}, which is no feature map; "
            "expected (B, C, h, w), (B, h, w, C) or tokens (B, N, C) with more than one position"
        )
    return layer


def _reached(calls: list[tuple[str, Tensor]], logits: Tensor, images: Tensor) -> list[tuple[FeatureLayer, float]]:
    """The maps among outputs of modules that are called once, and the share of their positions with a gradient."""
    names = [name for name, _ in calls]
    found = [(_as_layer(name, output, images), output) for name, output in calls if names.count(name) == 1]
    maps = [(layer, output) for layer, output in found if layer is not None and output.requires_grad]
    # Hidden units are other vectors than the tokens, which most layers give.
    widths = Counter(layer.shape[0] for layer, _ in maps if layer.layout == "tokens").most_common(1)
    maps = [(layer, output) for layer, output in maps if layer.layout != "tokens" or layer.shape[0] == widths[0][0]]
    gradients = _gradients(logits, [*(output for _, output in maps), images])
    if not gradients[-1].any():
        raise UserError(
            "the model's logits do not depend on the image, so that nothing can be explained: its last layer's weights "
            "are zero, as before training; load the trained weights first"
        )
    return [
        (layer, float(layer.to_map(gradient).abs().sum(dim=1).gt(0).float().mean()))
        for (layer, _), gradient in zip(maps, gradients[:-1], strict=True)
    ]


def _gradients(logits: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    """The gradients of a random mixture of the logits, zero where there is no way."""
    weights = torch.randn(logits.shape, generator=torch.Generator().manual_seed(0)).to(logits)
    found = torch.autograd.grad((logits * weights).sum(), inputs, allow_unused=True)
    return [
        torch.zeros_like(one) if gradient is None else gradient for one, gradient in zip(inputs, found, strict=True)
    ]


def _as_layer(name: str, output: Tensor, images: Tensor) -> FeatureLayer | None:
    """How a module's output is a feature map; None where it is none."""
    if len(output) != len(images) or not output.is_floating_point():
        return None
    return as_feature_layer(name, output, (images.shape[-2], images.shape[-1]))
