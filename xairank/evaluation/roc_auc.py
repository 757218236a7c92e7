"""Area under the ROC curve: does a pixel of the defect stand above one that is not?"""

import torch
from torch import Tensor

from xairank.evaluation.checks import check_masks
from xairank.evaluation.metric import Metric
from xairank.evaluation.thresholds import Cuts, score_cuts


class ROCAUC(Metric):
    """The probability that the map is higher on a pixel of the mask than on one outside it, a tie counting half.

    ``(pairs in order + tied pairs / 2) / (K * (N - K))``, which is the area below the curve of true and false positive
    rates (Hanley and McNeil 1982, Radiology 143), as of scikit-learn's ``roc_auc_score``. A constant map scores 0.5;
    so does every map where the mask covers the whole image, and there is nothing to tell apart.

    It does not depend on the size of the defect, and for that reason flatters maps of small ones: thousands of wrong
    pixels hardly lower it (Saito and Rehmsmeier 2015, PLOS ONE 10). Read it beside the average precision. It depends on
    the order of the pixels alone. No forward pass.
    """

    label = "ROC-AUC"

    def __call__(self, maps: Tensor, masks: Tensor) -> Tensor:
        """Maps (B, H, W), masks (B, H, W) -> areas (B,) in [0, 1]."""
        return roc_auc(maps, masks)

    def chance(self, masks: Tensor) -> Tensor:
        """0.5: (B,)."""
        check_masks(masks)
        return torch.full((len(masks),), 0.5, dtype=torch.float64, device=masks.device)


def roc_auc(maps: Tensor, masks: Tensor) -> Tensor:
    """The share of pairs of a mask pixel and another one that the map puts in order, ties counting half.

    Args:
        maps: Attribution maps (B, H, W), floating, finite, of any sign.
        masks: True on the defect (B, H, W), bool, at least one pixel each.

    Returns:
        Areas (B,) float64 in [0, 1]; 0.5 where the mask covers the whole image.

    Raises:
        ValueError: See :func:`xairank.evaluation.checks.check_inputs`.

    Example:
        >>> maps = torch.tensor([[[4.0, 3.0, 2.0, 2.0]]])
        >>> masks = torch.tensor([[[True, False, True, False]]])
        >>> roc_auc(maps, masks).item()  # 2.5 of 4 pairs
        0.625
    """
    return score_cuts(maps, masks, _score)


def _score(cuts: Cuts) -> float:
    pairs = cuts.n_inside * cuts.n_outside
    if pairs == 0:
        return 0.5
    # In half pairs, so that the sum is one of whole numbers; each mask pixel loses to what is above it.
    lost = int((cuts.new * (cuts.outside + cuts.outside_above)).sum())
    return 1 - lost / (2 * pairs)
