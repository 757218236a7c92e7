"""A Gaussian blur of maps, after the fact."""

from functools import lru_cache

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor


def smoothed(maps: Tensor, sigma: float) -> Tensor:
    """Maps (B, H, W), blurred by a Gaussian.

    At the border the map is mirrored, so that none of its mass is lost. A constant map stays as it is: rounding would
    order its pixels, which are ties.

    Args:
        maps: To blur.
        sigma: Standard deviation, in pixels; 0 leaves the maps as they are.
    """
    if sigma == 0:
        return maps
    height, width = (torch.from_numpy(_matrix(size, sigma)).to(maps) for size in maps.shape[1:])
    constant = maps.flatten(1).amax(dim=1) == maps.flatten(1).amin(dim=1)
    return maps.where(constant.view(-1, 1, 1), height @ maps @ width.T)


@lru_cache(maxsize=32)
def _matrix(size: int, sigma: float) -> np.ndarray:
    """The blur along an axis as a matrix (size, size); products with it cost less than a large kernel would."""
    blurred: np.ndarray = gaussian_filter1d(np.eye(size), sigma, axis=0, mode="reflect", truncate=4.0)
    return blurred
