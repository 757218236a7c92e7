"""Complexity."""

import torch
from torch import Tensor

from xairank.evaluation.checks import check_inputs
from xairank.evaluation.metric import Metric


class Complexity(Metric):
    """The entropy of a map's shares of its pixels, in nats: how many pixels one must look at.

    ``-sum_i p_i ln p_i`` with ``p_i = |a_i| / sum_j |a_j|`` (Bhatt et al., IJCAI 2020). From 0, all on
    one pixel, to ``ln N``, all N pixels alike; a map of zeros counts as constant.

    Less is better, but it knows neither mask nor model, so that a map may be simple and wrong: read it beside the other
    metrics, and never rank by it alone. No forward pass.
    """

    label = "Complexity"
    higher_is_better = False
    high = None

    def __call__(self, maps: Tensor, masks: Tensor) -> Tensor:
        """Maps (B, H, W), masks (B, H, W) -> entropies (B,) in [0, ln N]."""
        check_inputs(maps, masks)
        sizes = maps.flatten(1).double().abs()
        largest = sizes.amax(dim=1, keepdim=True)
        sizes = torch.where(largest > 0, sizes / largest, 1.0)  # the largest is 1, so that no sum is lost to underflow
        shares = sizes / sizes.sum(dim=1, keepdim=True)
        return torch.special.entr(shares).sum(dim=1)
