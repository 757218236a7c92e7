"""Noise."""

import hashlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xairank.attribution.controls.control import Control


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
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise ValueError(f"seed={seed} is not allowed: expected a whole number of at least 0")
        self.seed = seed

    def from_images(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) -> maps (B, H, W) in [0, 1)."""
        maps = [self._draw(image) for image in images.detach().cpu()]
        return torch.stack(maps).to(images) if maps else images.new_zeros(0, *images.shape[2:])

    def _draw(self, image: Tensor) -> Tensor:
        content = hashlib.sha256(image.float().contiguous().numpy().tobytes()).digest()
        generator = np.random.default_rng([self.seed, *content[:16]])
        return torch.from_numpy(generator.random(tuple(image.shape[1:]), dtype=np.float32))
