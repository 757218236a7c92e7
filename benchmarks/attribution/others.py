"""The same maps by other tools: Captum, torch-cam, pytorch-grad-cam and Quantus, called as their documentation does."""

import copy
import functools
import time
from collections.abc import Callable
from typing import Any

import torch
from captum.attr import IntegratedGradients as CaptumIntegratedGradients
from captum.attr import LayerGradCam
from captum.attr import Saliency as CaptumSaliency
from pytorch_grad_cam import GradCAM as PyTorchGradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from quantus import explain
from torch import Tensor
from torch.nn import functional
from torchcam.methods import GradCAM as TorchCAM

from benchmarks.attribution.network import Contender, Maps, Network, joined

TRIED = (4, 8, 16, 32)  # internal batch sizes of Captum on a CPU
TRIED_ON_A_GPU = (16, 32, 64, 128, 256)
BATCH = 16  # images a call, of tools that leave it to the user


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
        return joined(parts)

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


def pytorch_grad_cam(
    network: Network, image: Tensor, methods: tuple[str, ...], n_steps: int, batch: int | None
) -> Contender:
    """pytorch-grad-cam's Grad-CAM as in its README, with several images a call, as it offers there."""
    model = copy.deepcopy(network)
    cam = PyTorchGradCAM(model=model, target_layers=[model.features])

    def some(images: Tensor, targets: Tensor) -> Tensor:
        wanted = [ClassifierOutputTarget(target) for target in targets.tolist()]
        return torch.from_numpy(cam(input_tensor=images, targets=wanted)).to(images.device)

    return lambda images, targets: {"gradcam": _in_batches(some, images, targets, batch or BATCH)}


def quantus(network: Network, image: Tensor, methods: tuple[str, ...], n_steps: int, batch: int | None) -> Contender:
    """``quantus.explain`` as its documentation calls it, on tensors, as arrays would become float32.

    Its saliency is asked not to sum the channels, of which the largest counts here; its Grad-CAM neither takes the
    positive part nor enlarges it afterwards, which is done for it. Its integrated gradients are always 10 steps of the
    trapezoid rule, another map, and so left out.
    """
    model = copy.deepcopy(network)
    options: dict[str, dict[str, Any]] = {
        "saliency": {"method": "Saliency", "reduce_axes": ()},
        "gradcam": {"method": "LayerGradCam", "gc_layer": model.features, "interpolate": None},
    }

    def explained(name: str, images: Tensor, targets: Tensor) -> Tensor:
        maps = explain(model, images.clone().requires_grad_(), targets, device=str(images.device), **options[name])
        found = torch.from_numpy(maps).to(images.device)
        if name == "saliency":
            return found.amax(dim=1)
        return functional.interpolate(functional.relu(found), images.shape[-2:], mode="bilinear")[:, 0]

    return lambda images, targets: {
        name: _in_batches(functools.partial(explained, name), images, targets, batch or BATCH) for name in methods
    }


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
    return lambda images, targets: joined(
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


def _in_batches(tool: Callable[[Tensor, Tensor], Tensor], images: Tensor, targets: Tensor, size: int) -> Tensor:
    return torch.cat([tool(*part) for part in zip(images.split(size), targets.split(size), strict=True)])
