"""How well a map points at the defect: maps and masks in, a score an image out."""

from xairank.evaluation.overlap import topk_iou, topk_overlap

__all__ = ["topk_iou", "topk_overlap"]
