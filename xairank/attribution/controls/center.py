"""A Gaussian in the middle of the image."""

import torch
from torch import Tensor

from xairank.attribution.controls.control import Control


class Center(Control):
    """A Gaussian around the centre: photographers, and the makers of data sets, put there what counts.

    Args:
        width: Its standard deviation, as a share of the image's height and width.
    """

    label = "Centre"

    def __init__(self, width: float = 0.25) -> None:
        if not width > 0:
            raise ValueError(f"width: found {width}, expected a number greater than 0")
        self.width = width

    def from_images(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) -> maps (B, H, W) in (0, 1]."""
        rows, columns = (self._bell(size).to(images) for size in images.shape[2:])
        return (rows[:, None] * columns).expand(len(images), -1, -1).clone()

    def _bell(self, size: int) -> Tensor:
        offsets = (torch.arange(size, dtype=torch.float64) + 0.5) / size - 0.5
        return torch.exp(-(offsets**2) / (2 * self.width**2))
