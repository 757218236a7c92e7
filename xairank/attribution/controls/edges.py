"""Edges of the image."""

import torch
from torch import Tensor
from torch.nn import functional

from xairank.attribution.controls.control import Control


class Edges(Control):
    """The size of the Sobel gradient of the image's grey values: an edge detector, no model (Adebayo et al., 2018).

    ``sqrt(gx^2 + gy^2)``, with the 3 x 3 Sobel slopes of the mean over channels; the border is repeated.

    Defects often have sharp edges, so that a map of edges scores without knowing any decision; a method that does not
    beat it may be an edge detector too. No forward pass.
    """

    label = "Edges"

    def from_images(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) -> maps (B, H, W)."""
        sobel = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]]).to(images)
        grey = functional.pad(images.mean(dim=1, keepdim=True), (1, 1, 1, 1), mode="replicate")
        slopes = functional.conv2d(grey, torch.stack([sobel, sobel.T])[:, None])
        return slopes.square().sum(dim=1).sqrt()
