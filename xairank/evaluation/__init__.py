"""How good a map is: maps and masks in, a score an image out; and what the model says of images that are changed.

Rules that hold for every metric of maps and masks:

- A mask without a pixel, and a map with NaN or infinite values, are errors.
- Ties are never broken by the order of the pixels: the score is the expectation over random orders of tied pixels
  (Top-K Overlap and IoU, Pointing Game, Component Overlap), or tied pixels are cut together (Average Precision,
  ROC-AUC, Best-Threshold IoU).
- A random map is one whose pixels are in random order; ``chance`` is the exact mean score of such maps, None where it
  is not known. A constant map scores exactly chance, whatever its value, except for the Average Precision, where it
  scores K / N, less than chance by at most H_N / N, and the two whose chance is not known: K / N for the
  Best-Threshold IoU, K / (2 N - K) for the Top-K IoU. K is the number of the mask's pixels, N of the image's.
- A zero map is a constant map. So is one of tied values where a metric reads the order of the pixels alone.
- Metrics of mass (Mass Accuracy, Mass Distance) refuse negative values; the others read only the order of the pixels,
  so that no increasing transform of a map changes them.
"""

from xairank.evaluation.average_precision import AveragePrecision, average_precision
from xairank.evaluation.best_threshold_iou import BestThresholdIoU, best_threshold_iou
from xairank.evaluation.complexity import Complexity
from xairank.evaluation.component_overlap import ComponentOverlap, component_overlap
from xairank.evaluation.deletion import Deletion
from xairank.evaluation.facts import describe_measures, describe_metrics
from xairank.evaluation.insertion import Insertion
from xairank.evaluation.mass_accuracy import MassAccuracy, mass_accuracy
from xairank.evaluation.mass_distance import MassDistance, mass_distance
from xairank.evaluation.metric import FunctionMetric, Metric
from xairank.evaluation.model_metric import ImageMeasure, ModelMetric
from xairank.evaluation.overlap import TopKIoU, TopKOverlap, topk_iou, topk_overlap
from xairank.evaluation.pointing_game import PointingGame, pointing_game
from xairank.evaluation.probe import Probe
from xairank.evaluation.reliance import Reliance
from xairank.evaluation.roc_auc import ROCAUC, roc_auc
from xairank.evaluation.sensitivity import Sensitivity
from xairank.evaluation.shape import Shape, mask_shape

__all__ = [
    "ROCAUC",
    "AveragePrecision",
    "BestThresholdIoU",
    "Complexity",
    "ComponentOverlap",
    "Deletion",
    "FunctionMetric",
    "ImageMeasure",
    "Insertion",
    "MassAccuracy",
    "MassDistance",
    "Metric",
    "ModelMetric",
    "PointingGame",
    "Probe",
    "Reliance",
    "Sensitivity",
    "Shape",
    "TopKIoU",
    "TopKOverlap",
    "average_precision",
    "best_threshold_iou",
    "component_overlap",
    "describe_measures",
    "describe_metrics",
    "mask_shape",
    "mass_accuracy",
    "mass_distance",
    "pointing_game",
    "roc_auc",
    "topk_iou",
    "topk_overlap",
]
