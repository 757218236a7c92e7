"""The pointing game: does the map's maximum lie on the defect?"""

import math

from torch import Tensor

from xairank.evaluation.checks import check_inputs, check_masks
from xairank.evaluation.distances import distances_to
from xairank.evaluation.metric import Metric


class PointingGame(Metric):
    """Whether the map's maximum lies on the mask, or close to it.

    A hit (1) where the distance of the maximum to the nearest mask pixel, centre to centre, is at most ``tolerance``
    pixels, else a miss (0); among tied maxima one is drawn, and the score is the expectation: the share of them that
    hit. Zhang et al. 2018, "Top-down neural attention by excitation backprop", International Journal of Computer
    Vision 126, where the tolerance is 15 pixels.

    It asks for one point only: right for "does it point at the defect", blind to everything else the map shows. A
    score an image is almost always 0 or 1, so it takes many images to tell methods apart. No forward pass.

    Args:
        tolerance: In pixels of the map, 0 or more; 0 asks for the mask itself.

    Raises:
        ValueError: The tolerance is negative or no number.
    """

    label = "Pointing Game"

    def __init__(self, tolerance: float = 0.0) -> None:
        _check_tolerance(tolerance)
        self.tolerance = tolerance

    def __call__(self, maps: Tensor, masks: Tensor) -> Tensor:
        """Maps (B, H, W), masks (B, H, W) -> hits (B,) in [0, 1]."""
        return pointing_game(maps, masks, self.tolerance)

    def chance(self, masks: Tensor) -> Tensor:
        """The share of the image that counts as a hit, K / N without tolerance: (B,)."""
        check_masks(masks)
        return _target(masks, self.tolerance).flatten(1).double().mean(dim=1)


def pointing_game(maps: Tensor, masks: Tensor, tolerance: float = 0.0) -> Tensor:
    """The probability that the map's maximum, one drawn among ties, is within ``tolerance`` pixels of the mask.

    Args:
        maps: Attribution maps (B, H, W), floating, finite, of any sign.
        masks: True on the defect (B, H, W), bool, at least one pixel each.
        tolerance: In pixels, 0 or more.

    Returns:
        Scores (B,) float64 in [0, 1]: 1 a hit, 0 a miss, between them only with tied maxima.

    Raises:
        ValueError: See :func:`xairank.evaluation.checks.check_inputs`; a tolerance that is negative or no number.

    Example:
        >>> import torch
        >>> maps = torch.tensor([[[0.0, 1.0, 1.0]], [[0.0, 2.0, 1.0]]])
        >>> masks = torch.tensor([[[True, True, False]], [[True, False, False]]])
        >>> pointing_game(maps, masks).tolist(), pointing_game(maps, masks, tolerance=1).tolist()
        ([0.5, 0.0], [1.0, 1.0])
    """
    check_inputs(maps, masks)
    _check_tolerance(tolerance)
    maxima = maps == maps.amax(dim=(1, 2), keepdim=True)
    hits = maxima & _target(masks, tolerance)
    return hits.flatten(1).sum(dim=1).double() / maxima.flatten(1).sum(dim=1)


def _target(masks: Tensor, tolerance: float) -> Tensor:
    """Pixels (B, H, W) that count as a hit."""
    return masks if tolerance < 1 else distances_to(masks) <= tolerance


def _check_tolerance(tolerance: float) -> None:
    if isinstance(tolerance, bool) or not isinstance(tolerance, (int, float)) or not 0 <= tolerance < math.inf:
        raise ValueError(f"tolerance: found {tolerance!r}, expected a number of pixels, 0 or more")
