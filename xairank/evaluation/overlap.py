"""Top-K Overlap: how much of the K most important pixels lies on a defect of K pixels."""

import torch
from torch import Tensor

from xairank.evaluation.metric import Metric


class TopKOverlap(Metric):
    """The share of a map's K largest pixels that lie inside the mask of K pixels; see :func:`topk_overlap`."""

    label = "Top-K Overlap"

    def __call__(self, maps: Tensor, masks: Tensor) -> Tensor:
        """Maps (B, H, W), masks (B, H, W) -> overlaps (B,) in [0, 1]."""
        return topk_overlap(maps, masks)

    def chance(self, masks: Tensor) -> Tensor:
        """K / N: (B,)."""
        return masks.flatten(1).double().mean(dim=1)


class TopKIoU(Metric):
    """Intersection over union of the top-K pixels and the mask; see :func:`topk_iou`."""

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
    _check(maps, masks)
    if maps.dtype in (torch.float16, torch.bfloat16):
        maps = maps.float()
    values, inside = maps.flatten(1), masks.flatten(1)
    k = inside.sum(dim=1)
    descending = values.sort(dim=1, descending=True).values
    threshold = descending.gather(1, (k - 1)[:, None])
    above, tied = values > threshold, values == threshold
    places = k - above.sum(dim=1)
    tied_share = (tied & inside).sum(dim=1).to(maps.dtype) / tied.sum(dim=1)
    return ((above & inside).sum(dim=1) + places * tied_share) / k


def topk_iou(maps: Tensor, masks: Tensor) -> Tensor:
    """Intersection over union of the top-K pixels and the mask: what the released code calls Top-K Overlap.

    Both sets have K pixels, so with the overlap o it is ``o / (2 - o)``: the same order, other values. With ties, o is
    the expected overlap of :func:`topk_overlap`; arguments and errors are the same.
    """
    overlap = topk_overlap(maps, masks)
    return overlap / (2 - overlap)


def _check(maps: Tensor, masks: Tensor) -> None:
    if maps.shape != masks.shape or maps.ndim != 3:
        raise ValueError(
            f"maps {tuple(maps.shape)} and masks {tuple(masks.shape)}: expected two of one shape (B, H, W)"
        )
    if masks.dtype != torch.bool:
        raise ValueError(f"masks: found {masks.dtype}, expected bool; use masks > 0")
    if not maps.is_floating_point():
        raise ValueError(f"maps: found {maps.dtype}, expected a floating type")
    if not bool(maps.isfinite().all()):
        bad = (~maps.isfinite()).flatten(1).any(dim=1).nonzero().flatten().tolist()
        raise ValueError(f"maps: NaN or infinite values in the maps {bad}; a method that gives them cannot be ranked")
    empty = (~masks.flatten(1).any(dim=1)).nonzero().flatten().tolist()
    if empty:
        raise ValueError(f"masks: no pixel in the masks {empty}; leave out images without a defect in view")
