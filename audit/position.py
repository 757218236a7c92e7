"""Top-K Overlap as the released code has it: ties inside a map are cut by the position of the pixels."""

import torch
from torch import Tensor

from xairank.evaluation.checks import check_inputs
from xairank.evaluation.metric import Metric


class TopKByPosition(Metric):
    """The share of a map's K largest pixels that lie inside the mask of K pixels; of ties the first in the array count.

    What :class:`xairank.evaluation.TopKOverlap` gives in expectation over all orders of the ties, for one order of
    them: row by row from the upper left. A constant map so scores what lies in the first K pixels.
    """

    label = "Top-K Overlap, ties by position"

    def __call__(self, maps: Tensor, masks: Tensor) -> Tensor:
        """Maps (B, H, W), masks (B, H, W) -> overlaps (B,) in [0, 1]."""
        check_inputs(maps, masks)
        inside, k = masks.flatten(1), masks.flatten(1).sum(dim=1)
        order = maps.flatten(1).argsort(dim=1, descending=True, stable=True)
        hits = inside.gather(1, order).cumsum(dim=1).gather(1, (k - 1).unsqueeze(1)).squeeze(1)
        return hits.to(torch.float64) / k
