"""What takes the place of pixels that are removed, made of the pixels that are not."""

from collections.abc import Callable

import torch
from torch import Tensor

from xairank.tensors import gaussian_blur

BLUR = 1 / 16  # standard deviation of the blurred fill, in image heights: 14 pixels of 224
_FAINT = 1e-6  # share of the mean colour in the blurred fill, which is all of it where no pixel that is left is near

Fill = Callable[[Tensor, Tensor], Tensor]


def mean_color(images: Tensor, left: Tensor) -> Tensor:
    """The mean colour of the pixels that are left, everywhere."""
    weights = _weights(images, left)
    means = (images * weights).sum(dim=(2, 3), keepdim=True) / weights.sum(dim=(2, 3), keepdim=True)
    return means.expand_as(images)


def blurred(images: Tensor, left: Tensor) -> Tensor:
    """A Gaussian blur, by a sixteenth of the height, of the pixels that are left: the others have weight 0 in it.

    So nothing of a region that is removed shines through; of a whole image it is the blur of Fong & Vedaldi (2017).
    """
    weights = _weights(images, left)
    sigma = images.shape[2] * BLUR
    numerator = gaussian_blur(images * weights, sigma) + _FAINT * mean_color(images, left)
    return numerator / (gaussian_blur(weights, sigma) + _FAINT)


def black(images: Tensor, left: Tensor) -> Tensor:
    """Zeros: black for images in [0, 1], since normalisation is the model's first layer."""
    return torch.zeros_like(images)


# Images (B, C, H, W) and which of their pixels are left, bool (B, H, W) -> fills (B, C, H, W).
FILLS: dict[str, Fill] = {"mean_color": mean_color, "blurred": blurred, "black": black}


def _weights(images: Tensor, left: Tensor) -> Tensor:
    """1 on the pixels that are left, 0 on others, (B, 1, H, W); where none is left, all count."""
    none = ~left.flatten(1).any(dim=1)
    return (left | none[:, None, None])[:, None].to(images)
