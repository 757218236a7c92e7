"""How far each pixel is from the mask."""

import numpy as np
from scipy import ndimage
from torch import Tensor

from xairank.evaluation.per_mask import Mask, Values, per_mask


def distances_to(masks: Tensor) -> Tensor:
    """The Euclidean distance of each pixel's centre to that of the nearest mask pixel, in pixels; 0 in the mask.

    Args:
        masks: (B, H, W), bool, at least one pixel each.

    Returns:
        Distances (B, H, W) float64, on the masks' device.

    Example:
        >>> import torch
        >>> distances_to(torch.tensor([[[True, False, False]]])).tolist()
        [[[0.0, 1.0, 2.0]]]
    """
    return _distances(masks)


@per_mask
def _distances(mask: Mask) -> Values:
    return np.asarray(ndimage.distance_transform_edt(~mask), np.float64)
