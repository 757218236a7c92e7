"""The shape of a mask: in how many pieces the defect is, and how thin these are."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from xairank.evaluation.checks import check_masks

_EIGHT_NEIGHBOURS = np.ones((3, 3), int)


class Shape(NamedTuple):
    """What is known of each mask's shape, on the host.

    Attributes:
        components: Number of connected components, pixels that touch at a corner being in one; (B,) int64.
        thinness: 0 for discs up to almost 1 for long thin lines, see :func:`mask_shape`; (B,) float64.
    """

    components: Tensor
    thinness: Tensor


def mask_shape(masks: Tensor) -> Shape:
    """The number of components of each mask, and their thinness.

    ``thinness = 1 - sum over components C of (pixels of the largest disc in C) / K``, in [0, 1), where K is the number
    of the mask's pixels. A disc has a pixel p as its centre and holds all pixels nearer to p than some radius, so that
    the largest one is read from the maximum of C's Euclidean distance transform; what is outside the image does not
    belong to the defect. It is 0 for discs, however many, 1 - 1/n for a line of n pixels, and about 1 - pi/4 for
    squares. One minus the share of the largest inscribed circle is a classical measure of how far a shape is from
    compact (Ehrenburg 1892); unlike the isoperimetric quotient it needs no perimeter, which is ill-defined on pixels.

    Args:
        masks: True on the defect (B, H, W), bool, at least one pixel each.

    Raises:
        ValueError: See :func:`xairank.evaluation.checks.check_masks`.

    Example:
        >>> import torch
        >>> masks = torch.tensor([[[True, True, True, True, False, True]]])  # a line of four pixels, and one more
        >>> components, thinness = mask_shape(masks)
        >>> components.tolist(), round(thinness.item(), 3)
        ([2], 0.6)
    """
    check_masks(masks)
    found = [_shape(mask) for mask in masks.cpu().numpy()]
    return Shape(
        torch.tensor([components for components, _ in found], dtype=torch.int64),
        torch.tensor([thinness for _, thinness in found], dtype=torch.float64),
    )


def _shape(mask: NDArray[np.bool_]) -> tuple[int, float]:
    (box,) = ndimage.find_objects(mask.astype(int))  # beyond it nothing is nearer than its edge
    padded = np.pad(mask[box], 1)
    components, count = ndimage.label(padded, _EIGHT_NEIGHBOURS)
    distances = ndimage.distance_transform_edt(padded)
    largest = ndimage.maximum(distances, components, range(1, count + 1))
    in_discs = sum(_disc_pixels(round(distance**2)) for distance in largest)
    return count, 1 - in_discs / int(mask.sum())


@lru_cache(maxsize=4096)
def _disc_pixels(squared_radius: int) -> int:
    """Pixels nearer to a pixel than the radius, itself included; squared distances of pixels are integers."""
    steps = np.arange(np.sqrt(squared_radius) + 1) ** 2
    quadrant = steps[:, None] + steps < squared_radius
    return int(4 * quadrant[1:].sum() + 1)  # each quadrant with one of its axes, and the centre
