"""Who explains the same images: xairank, other tools, and a loop like the code released with the paper.

A contender is made once for a network and then called as ``(images, targets) -> maps by method``.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from numpy.polynomial.legendre import leggauss
from torch import Tensor
from torch.nn import functional

from benchmarks.attribution import others
from benchmarks.attribution.network import METHODS, Contender, Maps, Network, joined
from xairank.attribution import (
    AttributionMethod,
    GradCAM,
    IntegratedGradients,
    Saliency,
    explain,
    freeze,
    measure_batch_limit,
)


def xairank(network: Network, image: Tensor, methods: tuple[str, ...], n_steps: int, batch: int | None) -> Contender:
    """As ``python -m xairank.train`` calls it: frozen, with the measured batch limit."""
    frozen = freeze(network.model, image)  # type: ignore[arg-type]
    frozen.batch_limit = batch or measure_batch_limit(frozen, image)
    chosen = known_methods(methods, n_steps)
    return lambda images, targets: {name: maps for name, (maps, _) in explain(chosen, frozen, images, targets).items()}


def xairank_plain(
    network: Network, image: Tensor, methods: tuple[str, ...], n_steps: int, batch: int | None
) -> Contender:
    """As the README's first lines call it: each method on the network as it is."""
    chosen = known_methods(methods, n_steps)
    return lambda images, targets: {
        name: method(network.model, images, targets)  # type: ignore[arg-type]
        for name, method in chosen.items()
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
        return joined(
            [{name: tools[name](images[i : i + 1], int(targets[i])) for name in methods} for i in range(len(images))]
        )

    return explain_all


@dataclass(frozen=True)
class Entrant:
    """Who may take part.

    Attributes:
        create: (network, one image, methods, steps, batch size or None for the best) -> contender.
        methods: What it can do; it takes part where nothing else is asked.
        one_by_one: Whether it takes an image at a time, so that its time an image is that of a few.
        scaled: Whether each of its maps is scaled to [0, 1], before it is enlarged or after.
    """

    create: Callable[[Network, Tensor, tuple[str, ...], int, int | None], Contender]
    methods: tuple[str, ...] = METHODS
    one_by_one: bool = False
    scaled: bool = False


CONTENDERS = {
    "xairank": Entrant(xairank),
    "xairank plain": Entrant(xairank_plain),
    "captum": Entrant(others.captum, one_by_one=True),
    "captum tuned": Entrant(others.captum_tuned),
    "quantus": Entrant(others.quantus, ("gradcam", "saliency")),
    "torch-cam": Entrant(others.torchcam, ("gradcam",), one_by_one=True, scaled=True),
    "pytorch-grad-cam": Entrant(others.pytorch_grad_cam, ("gradcam",), scaled=True),
    "as released": Entrant(as_released, one_by_one=True),
}


def known_methods(names: tuple[str, ...], n_steps: int) -> Mapping[str, AttributionMethod]:
    known: dict[str, AttributionMethod] = {
        "gradcam": GradCAM(),
        "saliency": Saliency(),
        "integrated_gradients": IntegratedGradients(n_steps=n_steps),
    }
    return {name: known[name] for name in names}
