"""Best-threshold IoU: the overlap of the map with the defect, cut where it is best."""

from torch import Tensor

from xairank.evaluation.metric import Metric
from xairank.evaluation.thresholds import Cuts, score_cuts


class BestThresholdIoU(Metric):
    """The largest intersection over union of the mask and ``map >= t``, over all thresholds t.

    ``max over t of |map >= t and mask| / |map >= t or mask|``, exact for every threshold and with ties. Choosing the
    threshold afterwards is the idea of Choe et al. 2020, "Evaluating weakly supervised object localization methods
    right", CVPR, who choose one for all images. The lowest threshold takes all pixels, so no map scores below K / N,
    which is what a constant one gets.

    It tells how well the map could be made a segmentation if the threshold were known, which it never is in use: an
    upper limit. The expectation of a random map is not known in closed form, so there is no chance. It depends on the
    order of the pixels alone. No forward pass.
    """

    label = "Best-Threshold IoU"

    def __call__(self, maps: Tensor, masks: Tensor) -> Tensor:
        """Maps (B, H, W), masks (B, H, W) -> intersections over unions (B,) in (0, 1]."""
        return best_threshold_iou(maps, masks)


def best_threshold_iou(maps: Tensor, masks: Tensor) -> Tensor:
    """The largest intersection over union of the mask and the map cut at any threshold.

    Args:
        maps: Attribution maps (B, H, W), floating, finite, of any sign.
        masks: True on the defect (B, H, W), bool, at least one pixel each.

    Returns:
        Intersections over unions (B,) float64 in (0, 1].

    Raises:
        ValueError: See :func:`xairank.evaluation.checks.check_inputs`.

    Example:
        >>> import torch
        >>> maps = torch.tensor([[[4.0, 3.0, 2.0, 1.0]]])
        >>> masks = torch.tensor([[[True, False, True, False]]])
        >>> best_threshold_iou(maps, masks).item()  # of the three highest pixels
        0.6666666666666666
    """
    return score_cuts(maps, masks, _score)


def _score(cuts: Cuts) -> float:
    return float((cuts.inside / (cuts.n_inside + cuts.outside)).max())
