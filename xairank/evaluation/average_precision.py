"""Average precision: pixels as cases, the mask as labels, the map as score."""

import torch
from torch import Tensor

from xairank.evaluation.checks import check_masks
from xairank.evaluation.metric import Metric
from xairank.evaluation.thresholds import Cuts, score_cuts


class AveragePrecision(Metric):
    """The mean precision of the map's cuts, one a mask pixel: the area below the curve of precision and recall.

    ``sum over thresholds of (recall gained) * precision``, pixels being cases, the mask their labels and the map their
    score; tied pixels are cut together and share one precision, as in scikit-learn's ``average_precision_score``. So a
    constant map scores K / N.

    Use it where the threshold is not known: unlike the Top-K Overlap it looks at every cut, the highest values most of
    all. It depends on the order of the pixels alone. No forward pass.
    """

    label = "Average Precision"

    def __call__(self, maps: Tensor, masks: Tensor) -> Tensor:
        """Maps (B, H, W), masks (B, H, W) -> average precisions (B,) in (0, 1]."""
        return average_precision(maps, masks)

    def chance(self, masks: Tensor) -> Tensor:
        """The exact expectation over all orders of N pixels without ties: (B,).

        ``(H + (K - 1) / (N - 1) * (N - H)) / N`` with the harmonic number ``H = 1 + 1/2 + ... + 1/N`` (Bestgen 2015,
        "Exact expected average precision of the random baseline for system evaluation", Prague Bulletin of
        Mathematical Linguistics 103). It exceeds K / N by less than H / N.
        """
        check_masks(masks)
        k, n = masks.flatten(1).sum(dim=1).double(), masks[0].numel()
        harmonic = float((1 / torch.arange(1, n + 1, dtype=torch.float64)).sum())
        return (harmonic + (k - 1) / max(n - 1, 1) * (n - harmonic)) / n


def average_precision(maps: Tensor, masks: Tensor) -> Tensor:
    """The sum over the map's cuts of the recall gained times the precision; ties are cut together.

    Args:
        maps: Attribution maps (B, H, W), floating, finite, of any sign.
        masks: True on the defect (B, H, W), bool, at least one pixel each.

    Returns:
        Average precisions (B,) float64 in (0, 1].

    Raises:
        ValueError: See :func:`xairank.evaluation.checks.check_inputs`.

    Example:
        >>> maps = torch.tensor([[[4.0, 3.0, 2.0, 1.0]]])
        >>> masks = torch.tensor([[[True, False, True, False]]])
        >>> average_precision(maps, masks).item()  # (1 + 2 / 3) / 2
        0.8333333333333333
    """
    return score_cuts(maps, masks, _score)


def _score(cuts: Cuts) -> float:
    precision = cuts.inside / (cuts.inside + cuts.outside)
    return float((cuts.new * precision).sum() / cuts.n_inside)
