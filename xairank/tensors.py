"""What attribution and evaluation both do with images: blur them, draw by their content, stream their variants."""

import hashlib
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor


def gaussian_blur(values: Tensor, sigma: float) -> Tensor:
    """A Gaussian blur of (..., H, W); at the border values are mirrored, so that no mass is lost.

    Args:
        values: To blur, floating.
        sigma: Standard deviation, in pixels.
    """
    height, width = (torch.from_numpy(_blur_matrix(size, sigma)).to(values) for size in values.shape[-2:])
    return height @ values @ width.T


def content_digest(image: Tensor) -> bytes:
    """16 bytes that belong to an image (C, H, W), whatever the batch: seeds of what is drawn for it."""
    return hashlib.sha256(image.detach().float().cpu().contiguous().numpy().tobytes()).digest()[:16]


def by_image(begin: int, end: int, n_each: int) -> Iterator[tuple[int, slice]]:
    """The pairs from ``begin`` to ``end`` of a stream with ``n_each`` pairs an image: images, and which pairs of each.

    Example:
        >>> list(by_image(2, 7, n_each=3))
        [(0, slice(2, 3, None)), (1, slice(0, 3, None)), (2, slice(0, 1, None))]
    """
    for image in range(begin // n_each, (end - 1) // n_each + 1):
        first = image * n_each
        yield image, slice(max(begin - first, 0), min(end - first, n_each))


@lru_cache(maxsize=32)
def _blur_matrix(size: int, sigma: float) -> np.ndarray:
    """The blur along an axis as a matrix (size, size); products with it cost less than a large kernel would."""
    matrix: np.ndarray = gaussian_filter1d(np.eye(size), sigma, axis=0, mode="reflect")
    return matrix
