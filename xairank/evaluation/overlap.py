"""Top-K Overlap: how much of the K most important pixels lies on a defect of K pixels."""

import numpy as np
import torch
from torch import Tensor

from xairank.evaluation.checks import check_inputs, check_masks
from xairank.evaluation.metric import Metric


class TopKOverlap(Metric):
    """The share of a map's K largest pixels that lie inside the mask of K pixels (paper, section 3.3).

    ``|top-K and mask| / K``, with K the number of the mask's pixels, so that a perfect map scores 1. Ties at the K-th
    value are broken at random, and the result is the expectation, so that a constant map scores K / N, which is chance.

    Use it as the first metric: it needs no threshold, and no scale of the map. It looks at one cut alone, and counts a
    near miss as a miss, which :class:`MassDistance` does not. It depends on the order of the pixels alone. No forward
    pass.
    """

    label = "Top-K Overlap"

    def __call__(self, maps: Tensor, masks: Tensor) -> Tensor:
        """Maps (B, H, W), masks (B, H, W) -> overlaps (B,) in [0, 1]."""
        return topk_overlap(maps, masks)

    def chance(self, masks: Tensor) -> Tensor:
        """K / N: (B,)."""
        check_masks(masks)
        return masks.flatten(1).double().mean(dim=1)


class TopKIoU(Metric):
    """Intersection over union of a map's K largest pixels and the mask of K pixels.

    ``o / (2 - o)`` with the overlap o of :class:`TopKOverlap`, as both sets have K pixels: what the released code of
    the paper calls Top-K Overlap.

    Use it only to compare with figures of that code: it puts the maps of an image in the same order as the overlap, and
    its chance is not known in closed form. No forward pass.
    """

    label = "Top-K IoU"

    def __call__(self, maps: Tensor, masks: Tensor) -> Tensor:
        """Maps (B, H, W), masks (B, H, W) -> intersections over unions (B,) in [0, 1]."""
        return topk_iou(maps, masks)


def topk_overlap(maps: Tensor, masks: Tensor) -> Tensor:
    """Share of a map's top-K pixels that lie inside the mask, K being the mask's number of pixels (paper, section 3.3).

    Ties at the K-th value are broken at random, and the result is the exact expectation: the hits strictly above that
    value, plus the places left times the share of mask pixels among the tied ones. So a constant map scores K / N,
    which is chance.

    Args:
        maps: Attribution maps (B, H, W), floating, finite.
        masks: True on the defect (B, H, W), bool, at least one pixel each.

    Returns:
        Overlaps (B,) in [0, 1], in the maps' type; in float32 for maps of half precision, which counts only to 2,048.

    Raises:
        ValueError: Shapes that differ, masks that are not bool or are empty, maps with NaN or infinite values.

    Example:
        >>> maps = torch.tensor([[[3.0, 2.0], [1.0, 0.0]]])
        >>> masks = torch.tensor([[[True, False], [True, False]]])
        >>> topk_overlap(maps, masks)
        tensor([0.5000])
    """
    check_inputs(maps, masks)
    above, tied, places = top_pixels(maps, masks)
    inside, k = masks.flatten(1), masks.flatten(1).sum(dim=1)
    dtype = torch.float32 if maps.dtype in (torch.float16, torch.bfloat16) else maps.dtype
    tied_share = (tied & inside).sum(dim=1).to(dtype) / tied.sum(dim=1)
    return ((above & inside).sum(dim=1) + places * tied_share) / k


def topk_iou(maps: Tensor, masks: Tensor) -> Tensor:
    """Intersection over union of the top-K pixels and the mask: what the released code calls Top-K Overlap.

    Both sets have K pixels, so with the overlap o it is ``o / (2 - o)``: the same order, other values. With ties, o is
    the expected overlap of :func:`topk_overlap`; arguments and errors are the same.
    """
    overlap = topk_overlap(maps, masks)
    return overlap / (2 - overlap)


def top_pixels(maps: Tensor, masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The top-K pixels of each map, K being its mask's number of pixels, as a rule for ties needs them.

    Returns:
        The pixels strictly above the K-th value (B, N), those at it (B, N), and how many of the latter belong to the
        top K (B,).
    """
    values, k = maps.detach().flatten(1), masks.flatten(1).sum(dim=1)
    threshold = _kth_largest(values, k)
    above = values > threshold
    return above, values == threshold, k - above.sum(dim=1)


def _kth_largest(values: Tensor, k: Tensor) -> Tensor:
    """The k-th largest of values (B, N), (B, 1). On the host NumPy's partition takes a fiftieth of a sort's time."""
    if values.device.type != "cpu" or values.dtype == torch.bfloat16:
        return values.sort(dim=1, descending=True).values.gather(1, (k - 1)[:, None])
    places = values.shape[1] - k
    found = [np.partition(row, place)[place] for row, place in zip(values.numpy(), places.tolist(), strict=True)]
    return torch.tensor(np.array(found), dtype=values.dtype)[:, None]
