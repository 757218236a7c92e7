"""RISE."""

from typing import Any

import torch
from torch import Tensor

from xairank.attribution.draws import checked_whole
from xairank.attribution.engine import AttributionMethod, Explanation
from xairank.attribution.forward_pass import ForwardPass
from xairank.attribution.stream import stream_scores

BLOCK = 64  # masks that are held at once


class RISE(AttributionMethod):
    """The score of randomly masked images, summed over the masks that show a pixel (Petsiuk et al., BMVC 2018).

    Masks ``M_i`` are grids of ``cells x cells`` that are 1 with ``probability`` p and else 0, upsampled bilinearly to a
    little more than the image and cut out at a random shift (section 3.2). The map is the positive part of
    ``1 / (p N) * sum_i (score(x * M_i) - mean score) * M_i`` (Eq. 6). The mean score, which the paper leaves in, would
    add the same to every pixel in expectation; without it the map is less noisy and needs no positive scores.

    Use it where time does not count: it needs no gradient, only scores, but few masks give a noisy map. Cost: a forward
    pass for each mask, 1000 an image by default, 40 times what integrated gradients need; the paper has 4000 to 8000.

    Args:
        n_masks: Masks, the same for all images.
        cells: Of a mask's grid, along each side.
        probability: That a cell is shown.
        seed: Other seeds draw other masks.
        **options: Those of every method, see :class:`~xairank.attribution.AttributionMethod`.

    Raises:
        ValueError: An option that is not allowed; names it and what is.
    """

    label = "RISE"

    def __init__(
        self,
        n_masks: int = 1000,
        cells: int = 7,
        probability: float = 0.5,
        seed: int = 0,
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(**options)
        if isinstance(probability, bool) or not isinstance(probability, int | float) or not 0 < probability < 1:
            raise ValueError(f"probability={probability} is not allowed: expected a number between 0 and 1")
        self.n_masks, self.cells = checked_whole("n_masks", n_masks, 2), checked_whole("cells", cells, 2)
        self.probability, self.seed = probability, checked_whole("seed", seed, 0)
        generator = torch.Generator().manual_seed(seed)
        self._grids = torch.rand(n_masks, cells, cells, generator=generator) < probability
        self._shifts = torch.rand(n_masks, 2, generator=generator, dtype=torch.float64)

    def passes(self, images: Tensor) -> int:
        """About how many forward passes each of these images costs."""
        return self.n_masks

    def attribute(self, forward: ForwardPass) -> Explanation:
        """Maps (B, H, W)."""
        images = forward.images
        everyone = torch.arange(len(images), device=images.device)
        scores = stream_scores(
            forward, everyone, self.n_masks, lambda image, some: images[image] * self.masks(some, images)[:, None]
        )
        scores = scores - scores.mean(dim=1, keepdim=True)
        maps = torch.zeros_like(images[:, 0])
        for begin in range(0, self.n_masks, BLOCK):  # not by the batch limit, on which rounding would depend
            some = slice(begin, min(begin + BLOCK, self.n_masks))
            maps += torch.einsum("bn,nhw->bhw", scores[:, some], self.masks(some, images))
        return (maps / (self.probability * self.n_masks)).clamp(min=0), {}

    def masks(self, some: slice, images: Tensor) -> Tensor:
        """Some of the masks, in [0, 1], (n, H, W), of the type, size and device of images (B, C, H, W)."""
        height, width = images.shape[2:]
        rows = self._interpolation(height, self._shifts[some, 0]).to(images)
        columns = self._interpolation(width, self._shifts[some, 1]).to(images)
        return rows @ self._grids[some].to(images) @ columns.transpose(1, 2)

    def _interpolation(self, size: int, shifts: Tensor) -> Tensor:
        """The weight of each cell at each pixel of an axis, (n, size, cells), for shifts in [0, 1) of a cell.

        The cells are stretched over ``cells + 1`` times the pixels of one, of which ``size`` are cut out.
        """
        cell = -(-size // self.cells)
        pixels = (shifts * cell).floor()[:, None] + torch.arange(size)
        centres = (pixels + 0.5) * (self.cells / ((self.cells + 1) * cell)) - 0.5
        distances = centres.clamp(0, self.cells - 1)[:, :, None] - torch.arange(self.cells)
        return (1 - distances.abs()).clamp(min=0)
