"""The same everywhere."""

import torch
from torch import Tensor

from xairank.attribution.controls.control import Control


class Constant(Control):
    """One value everywhere: all pixels tie, so that its Top-K Overlap is exactly chance, K / N.

    The map is 1 at every pixel.

    It shows what a metric gives where there is nothing to see, without the scatter of :class:`Random`. No forward pass.
    """

    label = "Constant"
    reads_image = False

    def from_images(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) -> maps (B, H, W) of ones."""
        return torch.ones_like(images[:, 0])
