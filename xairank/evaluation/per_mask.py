"""What is computed of masks alone, once for all the methods whose maps they score."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Mask = NDArray[np.bool_]
Values = NDArray[np.float64]


def per_mask(compute: Callable[[Mask], Values]) -> Callable[[Tensor], Tensor]:
    """Makes a function of one mask (H, W) one of masks (B, H, W), which remembers the last two batches.

    Batches are told apart by their content, so that a mask that was changed in place is computed anew.
    """

    @lru_cache(maxsize=2)
    def of_content(packed: bytes, shape: tuple[int, ...]) -> Tensor:
        bits = np.unpackbits(np.frombuffer(packed, np.uint8), count=int(np.prod(shape)))
        masks = bits.reshape(shape).astype(bool)
        return torch.from_numpy(np.array([compute(mask) for mask in masks], np.float64).reshape(shape))

    def of_masks(masks: Tensor) -> Tensor:
        packed = np.packbits(masks.cpu().numpy()).tobytes()
        return of_content(packed, tuple(masks.shape)).to(masks.device, copy=True)

    return of_masks
