"""How well a map points at the defect: maps and masks in, a score an image out."""

from xairank.evaluation.description import describe_metrics
from xairank.evaluation.metric import Metric
from xairank.evaluation.overlap import TopKIoU, TopKOverlap, topk_iou, topk_overlap

__all__ = ["Metric", "TopKIoU", "TopKOverlap", "describe_metrics", "topk_iou", "topk_overlap"]
