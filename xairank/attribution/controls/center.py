"""A Gaussian in the middle of the image."""

from typing import Any

import torch
from torch import Tensor

from xairank.attribution.controls.control import Control


class Center(Control):
    """A Gaussian around the centre: photographers, and the makers of data sets, put there what counts.

    ``exp(-(u^2 + v^2) / (2 width^2))``, with the offsets u and v from the centre in shares of the height and the width.

    A method that does not beat it may owe its score to where the defects lie, not to what the model sees. No forward
    pass.

    Args:
        width: Its standard deviation, as a share of the image's height and width.
        **options: Those of every method, see :class:`~xairank.attribution.AttributionMethod`.
    """

    label = "Centre"
    reads_image = False

    def __init__(self, width: float = 0.25, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        if isinstance(width, bool) or not isinstance(width, int | float) or not width > 0:
            raise ValueError(f"width={width} is not allowed: expected a share of the image greater than 0")
        self.width = width

    def from_images(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) -> maps (B, H, W) in (0, 1]."""
        rows, columns = (self._bell(size).to(images) for size in images.shape[2:])
        return (rows[:, None] * columns).expand(len(images), -1, -1).clone()

    def _bell(self, size: int) -> Tensor:
        offsets = (torch.arange(size, dtype=torch.float64) + 0.5) / size - 0.5
        return torch.exp(-(offsets**2) / (2 * self.width**2))
