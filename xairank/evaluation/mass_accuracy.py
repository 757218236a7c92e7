"""Relevance mass accuracy: how much of the map's mass lies on the defect."""

from torch import Tensor

from xairank.evaluation.checks import check_inputs, check_masks
from xairank.evaluation.mass import shares
from xairank.evaluation.metric import Metric


class MassAccuracy(Metric):
    """The share of the map's mass that lies on the mask.

    ``sum(map on the mask) / sum(map)``: Arras et al. 2022, "CLEVR-XAI", Information Fusion 81 (relevance
    mass accuracy). A zero map counts as a constant one, K / N.

    Unlike a ranking of pixels it also asks how strong the evidence is: a map that is right but lies on a grey veil
    scores low. It changes with any transform of the values that is not a scale, and is not defined for maps with
    negative values. No forward pass.
    """

    label = "Mass Accuracy"
    non_negative = True

    def __call__(self, maps: Tensor, masks: Tensor) -> Tensor:
        """Maps (B, H, W), masks (B, H, W) -> shares of the mass (B,) in [0, 1]."""
        return mass_accuracy(maps, masks)

    def chance(self, masks: Tensor) -> Tensor:
        """K / N: (B,)."""
        check_masks(masks)
        return masks.flatten(1).double().mean(dim=1)


def mass_accuracy(maps: Tensor, masks: Tensor) -> Tensor:
    """The share of a map's mass that lies on the mask; K / N for a zero map.

    Args:
        maps: Attribution maps (B, H, W), floating, finite, non-negative.
        masks: True on the defect (B, H, W), bool, at least one pixel each.

    Returns:
        Shares (B,) float64 in [0, 1].

    Raises:
        ValueError: See :func:`xairank.evaluation.checks.check_inputs`; negative values.

    Example:
        >>> import torch
        >>> maps = torch.tensor([[[3.0, 1.0, 0.0, 0.0]], [[0.0, 0.0, 0.0, 0.0]]])
        >>> masks = torch.tensor([[[True, False, False, False]], [[True, False, False, False]]])
        >>> mass_accuracy(maps, masks).tolist()
        [0.75, 0.25]
    """
    check_inputs(maps, masks)
    return (shares(maps) * masks).sum(dim=(1, 2)).clamp(max=1)  # above 1 by rounding only
