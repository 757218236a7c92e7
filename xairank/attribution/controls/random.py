"""Noise."""

from typing import Any

import torch
from torch import Tensor

from xairank.attribution.controls.control import Control
from xairank.attribution.draws import Draws, checked_whole


class Random(Control):
    """Every pixel drawn alike from [0, 1), with a seed of its own for each image: what it shows, and ``seed``.

    The draw depends on the image's content and the seed alone. Its expected Top-K Overlap is chance, K / N.

    A method that is not clearly above it has found nothing. Averages over few images scatter; :class:`Constant` gives
    the expectation itself. No forward pass.

    Args:
        seed: Other seeds draw other maps.
        **options: Those of every method, see :class:`~xairank.attribution.AttributionMethod`.
    """

    label = "Random"

    def __init__(self, seed: int = 0, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self.seed = checked_whole("seed", seed, 0)

    def from_images(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) -> maps (B, H, W) in [0, 1)."""
        draws, size = Draws(images, self.seed), tuple(images.shape[2:])
        maps = images.new_zeros(len(images), *size)
        for place in range(len(images)):
            maps[place] = torch.from_numpy(draws.generator(place, 0).random(size, dtype="float32"))
        return maps
