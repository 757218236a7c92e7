"""Whether a frozen copy is its model: features, logits, their gradients at the image, and an affine prefix."""

import copy
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from xairank.attribution.acceleration.layers import without_kernels
from xairank.attribution.protocol import as_parts, explaining

TOLERANCE = 1e-4  # of the largest value; folding moves EfficientNet-B0's features by about 1e-6
# Rounding decides on which side of the kink of a ReLU a value near zero falls, and with it some of the gradient, in any
# float32 implementation: up to 3e-3 of DenseNet-121's. What exceeds the tolerance but not this is decided in float64,
# where no kink is met by chance. The compiled kernels, which know float32 alone, are then compared with PyTorch's
# functions in the same network: they move EfficientNet-B0's gradient by 1e-6.
KINKS = 0.1  # relative, in the Euclidean norm
# Where an image is flat, the neighbours that max pooling compares are equal, and rounding decides which of them gets
# the gradient; a little noise, far above rounding, leaves no ties.
NOISE = 0.01


class Split(Protocol):
    """A model whose features come in two steps, see :class:`~xairank.attribution.acceleration.frozen.FrozenModel`."""

    def forward_prefix(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) -> output of the affine prefix (B, c, y, x)."""
        ...

    def forward_features(self, images: Tensor) -> Any:  # noqa: ANN401
        """Images (B, 3, H, W) -> feature map (B, C, h, w), or a tuple that begins with it."""
        ...

    def forward_head(self, features: Tensor, *others: Any) -> Tensor:  # noqa: ANN401
        """What ``forward_features`` gave -> logits (B, classes)."""
        ...


def difference(candidate: Any, reference: Any, images: Tensor) -> str | None:  # noqa: ANN401 - a Split and a module
    """What a copy computes otherwise than its reference, in words with a number; None where it is the same.

    Args:
        candidate: The copy, a module that is a :class:`Split`.
        reference: A module that is a :class:`Split` as well, unchanged.
        images: A few images in the model's input space, (B, 3, H, W).
    """
    with explaining(candidate), explaining(reference):
        features = _feature_difference(candidate, reference, images)
        if not features <= TOLERANCE:
            return f"the features or logits by {features:.1e}"
        affine = _affine_error(candidate, images)
        if not affine <= TOLERANCE:
            return f"a prefix that is not affine, by {affine:.1e}"
        images = _without_ties(images[:1])
        gradients = _gradient_difference(candidate, reference, images)
        if gradients <= TOLERANCE:
            return None
        if gradients <= KINKS and _same_in_float64(candidate, reference, images):
            kernels = _kernel_difference(candidate, images)
            return None if kernels <= TOLERANCE else f"the gradient at the image, by compiled kernels, by {kernels:.1e}"
        return f"the gradient at the image by {gradients:.1e}"


def _without_ties(images: Tensor) -> Tensor:
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    return images + NOISE * noise.to(images)


def _feature_difference(candidate: Split, reference: Split, images: Tensor) -> float:
    """Largest difference of features or logits over the largest of them; infinite where one is not a number."""
    with torch.no_grad():
        pairs = zip(_outputs(reference, images), _outputs(candidate, images), strict=True)
        return max(_share((found - expected).abs().max(), expected.abs().max()) for expected, found in pairs)


def _affine_error(model: Split, images: Tensor) -> float:
    """How far the prefix is from affine: its output half way between two images, over its largest."""
    other = torch.rand(images.shape, generator=torch.Generator().manual_seed(0)).to(images)
    with torch.no_grad():
        ends = (model.forward_prefix(images) + model.forward_prefix(other)) / 2
        difference = model.forward_prefix((images + other) / 2) - ends
    return _share(difference.abs().max(), ends.abs().max())


def _gradient_difference(candidate: Split, reference: Split, images: Tensor) -> float:
    """Euclidean distance of the gradients of features and logits, relative to the reference's length."""
    return _distance(_gradients(reference, images), _gradients(candidate, images))


def _distance(expected: list[Tensor], found: list[Tensor]) -> float:
    return max(_share((b - a).norm(), a.norm()) for a, b in zip(expected, found, strict=True))


def _gradients(model: Split, images: Tensor) -> list[Tensor]:
    """The gradients at the images (B, 3, H, W) of a mixture of the features, and of one of the logits."""
    found = []
    for number in range(2):  # a pass each, as layers of a frozen model may be differentiated once
        inputs = images.detach().clone().requires_grad_()
        output = _outputs(model, inputs)[number]
        mixture = torch.randn(output.shape, generator=torch.Generator().manual_seed(0)).to(output)
        (gradient,) = torch.autograd.grad((output * mixture).sum(), inputs, allow_unused=True)
        found.append(torch.zeros_like(inputs) if gradient is None else gradient)
    return found


def _outputs(model: Split, images: Tensor) -> tuple[Tensor, Tensor]:
    """Features, and logits, to which everything contributes that the head takes beside the features."""
    parts = as_parts(model.forward_features(images))
    features = parts[0].clone()  # a head may work in place
    return features, model.forward_head(*parts)


def _same_in_float64(candidate: nn.Module, reference: nn.Module, images: Tensor) -> bool:
    if images.device.type == "mps":  # which has no float64
        return True
    exact: list[Any] = [copy.deepcopy(model).double() for model in (candidate, reference)]
    with explaining(exact[0]), explaining(exact[1]):
        try:
            return _gradient_difference(exact[0], exact[1], images.double()) <= TOLERANCE
        except RuntimeError:  # a network that casts to float32 itself: not known to be the same
            return False


def _kernel_difference(candidate: Split, images: Tensor) -> float:
    """What the compiled kernels change of the gradient; 0 where they do not serve."""
    found = _gradients(candidate, images)
    with without_kernels():
        return _distance(_gradients(candidate, images), found)


def _share(part: Tensor, whole: Tensor) -> float:
    """Their ratio; 0 where both are zero, infinite where one is not a number."""
    if part == 0 and whole == 0:
        return 0.0
    return float((part / whole).nan_to_num(nan=torch.inf))
