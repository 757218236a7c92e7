"""Mass distance: how far from the defect the map's mass lies."""

import math

from torch import Tensor

from xairank.evaluation.checks import check_inputs, check_masks
from xairank.evaluation.distances import distances_to
from xairank.evaluation.mass import shares
from xairank.evaluation.metric import Metric


class MassDistance(Metric):
    """The expected distance to the mask of a pixel drawn from the map as from a density; lower is better.

    ``sum over pixels p of map(p) / sum(map) * distance(p) / diagonal``, the distance being that of p's centre to the
    centre of the nearest mask pixel, 0 on the mask: the least work of moving all mass onto the mask, with no limit to
    what a mask pixel takes. In units of the image's diagonal, between the centres of opposite corners, so that it lies
    in [0, 1] and is comparable between images of any size. A zero map counts as a constant one.

    Use it beside the overlaps: these count a near miss as a miss, which coarse maps such as Grad-CAM's are punished
    for; here a near miss costs little. Not defined for maps with negative values. No forward pass.
    """

    label = "Mass Distance"
    higher_is_better = False
    non_negative = True

    def __call__(self, maps: Tensor, masks: Tensor) -> Tensor:
        """Maps (B, H, W), masks (B, H, W) -> expected distances (B,) in [0, 1], shares of the diagonal."""
        return mass_distance(maps, masks)

    def chance(self, masks: Tensor) -> Tensor:
        """The mean distance over all pixels: (B,)."""
        check_masks(masks)
        return _relative_distances(masks).mean(dim=(1, 2))


def mass_distance(maps: Tensor, masks: Tensor) -> Tensor:
    """The expected distance to the mask of a pixel drawn with the map as density, as a share of the diagonal.

    Args:
        maps: Attribution maps (B, H, W), floating, finite, non-negative.
        masks: True on the defect (B, H, W), bool, at least one pixel each.

    Returns:
        Expected distances (B,) float64 in [0, 1]; times ``hypot(H - 1, W - 1)``, they are in pixels.

    Raises:
        ValueError: See :func:`xairank.evaluation.checks.check_inputs`; negative values.

    Example:
        >>> import torch
        >>> maps = torch.tensor([[[1.0, 0.0, 0.0, 1.0]]])
        >>> masks = torch.tensor([[[True, False, False, False]]])
        >>> mass_distance(maps, masks).tolist()  # half of the mass is 3 of 3 pixels away
        [0.5]
    """
    check_inputs(maps, masks)
    return (shares(maps) * _relative_distances(masks)).sum(dim=(1, 2)).clamp(max=1)  # above 1 by rounding only


def _relative_distances(masks: Tensor) -> Tensor:
    """Distances (B, H, W) to the mask as shares of the diagonal; 0 in an image of one pixel."""
    height, width = masks.shape[1:]
    return distances_to(masks) / max(math.hypot(height - 1, width - 1), 1.0)
