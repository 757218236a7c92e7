"""How good a map is: maps and masks in, a score an image out; and what the model says of images that are changed."""

from xairank.evaluation.complexity import Complexity
from xairank.evaluation.deletion import Deletion
from xairank.evaluation.facts import describe_measures, describe_metrics
from xairank.evaluation.insertion import Insertion
from xairank.evaluation.metric import FunctionMetric, Metric
from xairank.evaluation.model_metric import ImageMeasure, ModelMetric
from xairank.evaluation.overlap import TopKIoU, TopKOverlap, topk_iou, topk_overlap
from xairank.evaluation.probe import Probe
from xairank.evaluation.reliance import Reliance
from xairank.evaluation.sensitivity import Sensitivity

__all__ = [
    "Complexity",
    "Deletion",
    "FunctionMetric",
    "ImageMeasure",
    "Insertion",
    "Metric",
    "ModelMetric",
    "Probe",
    "Reliance",
    "Sensitivity",
    "TopKIoU",
    "TopKOverlap",
    "describe_measures",
    "describe_metrics",
    "topk_iou",
    "topk_overlap",
]
