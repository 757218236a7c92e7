"""Component overlap: was every defect of the image found, and not only the largest?"""

import numpy as np
from scipy import ndimage
from torch import Tensor

from xairank.evaluation.checks import check_inputs, check_masks
from xairank.evaluation.metric import Metric
from xairank.evaluation.overlap import top_pixels
from xairank.evaluation.per_mask import Mask, Values, per_mask

_EIGHT_NEIGHBOURS = np.ones((3, 3), int)


class ComponentOverlap(Metric):
    """The mean over the defects of an image of the share of each that is among the map's top-K pixels.

    Defects are the mask's connected components C, pixels that touch at a corner being one; K is the number of pixels of
    the whole mask, so that a perfect map finds all: ``mean over C of |top-K and C| / |C|``. Ties at the K-th value are
    broken at random, and the result is the expectation, as for the Top-K Overlap, which it equals where there is one
    component. The idea is that of the per-region overlap (Bergmann et al. 2021, "The MVTec anomaly detection dataset",
    International Journal of Computer Vision 129), at one threshold.

    Use it where images have several defects of different size: a small one counts as much as a large one. Masks that
    are frayed into single pixels make it noisy. It depends on the order of the pixels alone. No forward pass.
    """

    label = "Component Overlap"

    def __call__(self, maps: Tensor, masks: Tensor) -> Tensor:
        """Maps (B, H, W), masks (B, H, W) -> mean recalls (B,) in [0, 1]."""
        return component_overlap(maps, masks)

    def chance(self, masks: Tensor) -> Tensor:
        """K / N, as for each component by itself: (B,)."""
        check_masks(masks)
        return masks.flatten(1).double().mean(dim=1)


def component_overlap(maps: Tensor, masks: Tensor) -> Tensor:
    """The mean over the mask's connected components of the share of each among the map's top-K pixels.

    Args:
        maps: Attribution maps (B, H, W), floating, finite, of any sign.
        masks: True on the defect (B, H, W), bool, at least one pixel each.

    Returns:
        Mean recalls (B,) float64 in [0, 1].

    Raises:
        ValueError: See :func:`xairank.evaluation.checks.check_inputs`.

    Example:
        >>> import torch
        >>> maps = torch.tensor([[[4.0, 3.0, 2.0, 1.0, 0.0]]])
        >>> masks = torch.tensor([[[True, True, False, False, True]]])
        >>> component_overlap(maps, masks).item()  # all of the first defect, nothing of the second
        0.5
    """
    check_inputs(maps, masks)
    above, tied, places = top_pixels(maps, masks)
    weights = _weights(masks).flatten(1)
    found, at_stake = ((weights * pixels).sum(dim=1) for pixels in (above, tied))
    return (found + places.double() / tied.sum(dim=1) * at_stake).clamp(max=1)  # above 1 by rounding only


@per_mask
def _weights(mask: Mask) -> Values:
    """What each pixel counts (H, W), 1 / (components * pixels of its own), 1 in sum."""
    components, count = ndimage.label(mask, _EIGHT_NEIGHBOURS)
    sizes = np.bincount(components.ravel())
    return np.where(mask, 1 / (count * sizes[components]), 0.0)
