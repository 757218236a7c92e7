"""The same three maps by xairank, Captum, torch-cam and a loop like the code released with the paper.

A contender is made once for a network and then called as ``(images, targets) -> maps by method``.
"""

import copy
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from captum.attr import IntegratedGradients as CaptumIntegratedGradients
from captum.attr import LayerGradCam
from captum.attr import Saliency as CaptumSaliency
from numpy.polynomial.legendre import leggauss
from torch import Tensor, nn
from torch.nn import functional
from torchcam.methods import GradCAM as TorchCAM

from xairank.attribution import GradCAM, IntegratedGradients, Saliency, explain, freeze, measure_batch_limit
from xairank.attribution.protocol import as_parts

TRIED = (4, 8, 16, 32)  # internal batch sizes of Captum on a CPU
TRIED_ON_A_GPU = (16, 32, 64, 128, 256)
METHODS = ("gradcam", "saliency", "integrated_gradients")
Maps = dict[str, Tensor]
Contender = Callable[[Tensor, Tensor], Maps]


class Network(nn.Module):
    """A network whose feature map has a name, so that other tools can hook it.

    Args:
        model: Gives a feature map (B, C, h, w), or a tuple that begins with it, which its head takes.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.features = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        features, *others = self.forward_features(images)
        return self.forward_head(self.features(features), *others)

    def forward_features(self, images: Tensor) -> tuple[Any, ...]:
        return as_parts(self.model.forward_features(images))  # type: ignore[operator]

    def forward_head(self, features: Tensor, *others: Any) -> Tensor:  # noqa: ANN401
        logits: Tensor = self.model.forward_head(features, *others)  # type: ignore[operator]
        return logits


def xairank(network: Network, image: Tensor, methods: tuple[str, ...], n_steps: int, batch: int | None) -> Contender:
    """As ``python -m xairank.train`` calls it: frozen, with the measured batch limit."""
    frozen = freeze(network.model, image)  # type: ignore[arg-type]
    frozen.batch_limit = batch or measure_batch_limit(frozen, image)
    chosen = _methods(methods, n_steps)
    return lambda images, targets: {name: maps for name, (maps, _) in explain(chosen, frozen, images, targets).items()}


def xairank_plain(
    network: Network, image: Tensor, methods: tuple[str, ...], n_steps: int, batch: int | None
) -> Contender:
    """As the README's first lines call it: each method on the network as it is."""
    chosen = _methods(methods, n_steps)
    return lambda images, targets: {
        name: method(network.model, images, targets)  # type: ignore[arg-type]
        for name, method in chosen.items()
    }


def captum(network: Network, image: Tensor, methods: tuple[str, ...], n_steps: int, batch: int | None) -> Contender:
    """As its tutorials do: an image a call, its defaults, parameters that want gradients."""
    return _by_image(copy.deepcopy(network), methods, n_steps, internal_batch_size=None)


def captum_tuned(
    network: Network, image: Tensor, methods: tuple[str, ...], n_steps: int, batch: int | None
) -> Contender:
    """With all that its documentation offers: frozen parameters, channels-last, batches of the best size."""
    tuned = copy.deepcopy(network).requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    size = batch or _best_batch(tuned, image)
    tools = _captum(tuned, methods, n_steps, internal_batch_size=size)

    def explain_all(images: Tensor, targets: Tensor) -> Maps:
        images = images.contiguous(memory_format=torch.channels_last)
        parts = [
            {name: tool(some, target) for name, tool in tools.items()}
            for some, target in zip(images.split(size), targets.split(size), strict=True)
        ]
        return _joined(parts)

    return explain_all


def torchcam(network: Network, image: Tensor, methods: tuple[str, ...], n_steps: int, batch: int | None) -> Contender:
    """torch-cam's Grad-CAM, an image a call as in its README."""
    model = copy.deepcopy(network)
    extractor = TorchCAM(model, target_layer="features")

    def one(image: Tensor, target: Tensor) -> Tensor:
        (cam,) = extractor(int(target), model(image))
        return functional.interpolate(cam[:, None], image.shape[-2:], mode="bilinear")[:, 0]

    return lambda images, targets: {
        "gradcam": torch.cat([one(images[i : i + 1], targets[i]) for i in range(len(images))])
    }


def as_released(
    network: Network, image: Tensor, methods: tuple[str, ...], n_steps: int, batch: int | None
) -> Contender:
    """The plain loop of the released code: an image at a time, a step at a time, gradients of the parameters too."""
    model = copy.deepcopy(network)

    def gradient(image: Tensor, target: int) -> Tensor:
        image = image.detach().requires_grad_()
        model.zero_grad()
        model(image)[0, target].backward()
        assert image.grad is not None
        return image.grad

    def saliency(image: Tensor, target: int) -> Tensor:
        return gradient(image, target).abs().amax(dim=1)

    def gradcam(image: Tensor, target: int) -> Tensor:
        features, *others = model.forward_features(image)
        features.retain_grad()
        model.zero_grad()
        model.forward_head(features, *others)[0, target].backward()
        assert features.grad is not None
        cam = functional.relu((features.grad.mean(dim=(2, 3), keepdim=True) * features).sum(dim=1, keepdim=True))
        return functional.interpolate(cam.detach(), image.shape[-2:], mode="bilinear")[:, 0]

    def integrated_gradients(image: Tensor, target: int) -> Tensor:
        positions, weights = leggauss(n_steps)
        total = torch.zeros_like(image)
        for position, weight in zip((positions + 1) / 2, weights / 2, strict=True):
            total += float(weight) * gradient(float(position) * image, target)
        return (image * total).abs().sum(dim=1)

    tools = {"gradcam": gradcam, "saliency": saliency, "integrated_gradients": integrated_gradients}

    def explain_all(images: Tensor, targets: Tensor) -> Maps:
        return _joined(
            [{name: tools[name](images[i : i + 1], int(targets[i])) for name in methods} for i in range(len(images))]
        )

    return explain_all


# Each: (network, one image, methods, steps, batch size or None for the best) -> contender.
CONTENDERS = {
    "xairank": xairank,
    "xairank plain": xairank_plain,
    "captum": captum,
    "captum tuned": captum_tuned,
    "torch-cam": torchcam,
    "as released": as_released,
}


def _methods(names: tuple[str, ...], n_steps: int) -> Mapping[str, Any]:
    known = {"gradcam": GradCAM(), "saliency": Saliency(), "integrated_gradients": IntegratedGradients(n_steps=n_steps)}
    return {name: known[name] for name in names}


def _captum(
    network: Network, methods: tuple[str, ...], n_steps: int, internal_batch_size: int | None
) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    gradcam, saliency = LayerGradCam(network, network.features), CaptumSaliency(network)
    integrated = CaptumIntegratedGradients(network)

    def gradcam_maps(images: Tensor, targets: Tensor) -> Tensor:
        coarse = gradcam.attribute(images, targets, relu_attributions=True).detach()
        return functional.interpolate(coarse, images.shape[-2:], mode="bilinear")[:, 0]

    def saliency_maps(images: Tensor, targets: Tensor) -> Tensor:
        maps: Tensor = saliency.attribute(images.clone().requires_grad_(), targets).detach().amax(dim=1)
        return maps

    def integrated_maps(images: Tensor, targets: Tensor) -> Tensor:
        maps: Tensor = integrated.attribute(
            images, torch.zeros_like(images), targets, n_steps=n_steps, internal_batch_size=internal_batch_size
        )
        return maps.detach().abs().sum(dim=1)

    tools = {"gradcam": gradcam_maps, "saliency": saliency_maps, "integrated_gradients": integrated_maps}
    return {name: tools[name] for name in methods}


def _by_image(network: Network, methods: tuple[str, ...], n_steps: int, internal_batch_size: int | None) -> Contender:
    tools = _captum(network, methods, n_steps, internal_batch_size)
    return lambda images, targets: _joined(
        [
            {name: tool(images[i : i + 1], targets[i : i + 1]) for name, tool in tools.items()}
            for i in range(len(images))
        ]
    )


def _best_batch(network: Network, image: Tensor) -> int:
    """What a careful user would find by trying: the fastest internal batch size on this machine."""
    target = torch.zeros(1, dtype=torch.long, device=image.device)
    seconds = {}
    for size in TRIED_ON_A_GPU if image.is_cuda else TRIED:
        tool = _captum(network, ("integrated_gradients",), max(32, size), size)["integrated_gradients"]
        tool(image, target)
        seconds[size] = min(_seconds(lambda: tool(image, target), image.device) for _ in range(2)) / max(32, size)  # noqa: B023
    return min(seconds, key=lambda size: seconds[size])


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    for _ in range(device.type == "cuda"):
        torch.cuda.synchronize(device)
    started = time.perf_counter()
    work()
    for _ in range(device.type == "cuda"):
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def _joined(parts: list[Maps]) -> Maps:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
