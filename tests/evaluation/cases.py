"""Maps with many ties, masks of every size, and the truth by brute force."""

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

SIDES = st.integers(1, 5)


@st.composite
def tied_cases(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Three maps (3, H, W) float64 of few values, non-negative, and masks with at least one pixel."""
    height, width, levels = draw(SIDES), draw(SIDES), draw(st.integers(1, 5))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    maps = generator.integers(0, levels, (3, height, width)) * generator.choice([0.1, 1.0, 1e300])
    masks = generator.random((3, height, width)) < generator.uniform(0, 1, (3, 1, 1))
    masks[np.arange(3), generator.integers(0, height, 3), generator.integers(0, width, 3)] = True
    return torch.tensor(maps), torch.tensor(masks)


def pairs(maps: Tensor, masks: Tensor) -> list[tuple[np.ndarray, np.ndarray]]:
    """Each map with its mask, as arrays (H, W)."""
    return list(zip(maps.numpy(), masks.numpy(), strict=True))


def random_cases(count: int, side: int = 24, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Maps without ties (count, side, side) float64, and masks of two discs each."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    centers = generator.uniform(0, side, (2, 2, count, 1, 1))
    distances = np.hypot(rows - centers[:, 0], columns - centers[:, 1]).min(axis=0)
    masks = distances < np.maximum(3, distances.min(axis=(1, 2), keepdims=True) + 0.5)
    return torch.tensor(generator.random((count, side, side))), torch.tensor(masks)


def shuffled(maps: Tensor, times: int) -> Tensor:
    """One map (1, H, W) with its pixels in random order, (times, H, W)."""
    order = torch.rand(times, maps[0].numel(), generator=torch.Generator().manual_seed(0)).argsort(dim=1)
    return maps.flatten()[order].reshape(times, *maps.shape[1:])
