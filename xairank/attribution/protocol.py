"""What a model must offer, what a method is, and the gradients that methods share."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

Diagnostics = dict[str, Tensor]


class Model(Protocol):
    """timm's protocol."""

    def forward_features(self, images: Tensor, /) -> Tensor:
        """Images (B, 3, H, W) -> feature map (B, C, h, w)."""
        ...

    def forward_head(self, features: Tensor, /) -> Tensor:
        """Feature map (B, C, h, w) -> logits (B, classes)."""
        ...


class AttributionMethod(Protocol):
    """A method: options in the constructor, a call that explains."""

    def __call__(self, model: Model, images: Tensor, targets: Tensor) -> Tensor:
        """Images (B, 3, H, W), targets (B,) -> maps (B, H, W)."""
        ...


@runtime_checkable
class _Diagnosing(Protocol):
    def with_diagnostics(self, model: Model, images: Tensor, targets: Tensor) -> tuple[Tensor, Diagnostics]: ...


def explain(method: AttributionMethod, model: Model, images: Tensor, targets: Tensor) -> tuple[Tensor, Diagnostics]:
    """Runs a method and returns its maps (B, H, W) with what it tells about them, by name, a row an image.

    A method that can tell more than its maps, such as a completeness error (B,), has ``with_diagnostics`` beside its
    call; for the others the diagnostics are empty.
    """
    if isinstance(method, _Diagnosing):
        return method.with_diagnostics(model, images, targets)
    return method(model, images, targets), {}


@contextmanager
def explaining(model: Model) -> Iterator[None]:
    """Evaluation mode, no gradients of parameters, gradients on whatever mode the caller is in; all undone at exit."""
    module = cast(nn.Module, model)
    modes = [(part, part.training) for part in module.modules()]
    flags = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
    try:
        module.eval()
        for parameter, _ in flags:
            parameter.requires_grad_(False)
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for part, mode in modes:
            part.training = mode
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


def checked(images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Copies of images (B, C, H, W) and targets (B,) to compute with, also where the caller is in inference mode.

    Raises:
        ValueError: They do not fit each other or the protocol.
    """
    if images.ndim != 4 or not images.is_floating_point():
        raise ValueError(f"images: found shape {tuple(images.shape)} of {images.dtype}, expected floating (B, C, H, W)")
    if targets.shape != images.shape[:1] or targets.is_floating_point():
        raise ValueError(
            f"targets: found shape {tuple(targets.shape)} of {targets.dtype}, expected one class index for each of the "
            f"{len(images)} images"
        )
    return images.detach().clone(), targets.clone()


def target_logits(logits: Tensor, targets: Tensor) -> Tensor:
    """Logits (B, classes) -> the targets' (B,).

    Raises:
        ValueError: A target is not a class of the model.
    """
    if len(targets) and not 0 <= int(targets.min()) <= int(targets.max()) < logits.shape[1]:
        raise ValueError(f"targets: found {targets.tolist()}, expected class indices from 0 to {logits.shape[1] - 1}")
    return logits.gather(1, targets.view(-1, 1)).squeeze(1)


def input_gradients(model: Model, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of the targets' logits with respect to the images (B, C, H, W), and these logits (B,).

    Images do not influence one another in evaluation mode, so the gradient of the sum is each image's own.
    """
    images = images.detach().requires_grad_()
    scores = target_logits(model.forward_head(model.forward_features(images)), targets)
    (gradients,) = torch.autograd.grad(scores.sum(), images)
    return gradients, scores.detach()
