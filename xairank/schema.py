"""The names that a run's files hold: what writes them and what reads them take them from here.

It stands on the ground floor because the rooms that share these names do not import one another.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

TRAIN, TEST = "train", "test"
SPLITS = {TRAIN: "Training", TEST: "Test"}  # in the order of tables and figures, with the words for each

# metrics.csv: a row an epoch.
TRAINING_METRICS = ("loss", "classification_loss", "mask_loss", "balanced_accuracy")
METRIC_COLUMNS = ("epoch", *(f"{split}_{metric}" for split in SPLITS for metric in TRAINING_METRICS))

# scores.parquet: a row a sample and method; behind these a column a metric, its chance, measures of the
# image, and diagnostics of the method.
# A case is what counts once in the statistics: a sample with all its near-duplicates, named by the first of them.
SAMPLE_COLUMNS = ("seed", "fold", "split", "sample", "case", "label", "predicted")
SCORE_COLUMNS = (*SAMPLE_COLUMNS, "probability", "k", "n_pixels", "method")
# Also there, of each mask: its number of components and their thinness. Runs of earlier versions have neither.
COMPONENTS, THINNESS = SHAPE_COLUMNS = ("components", "thinness")

# excluded.csv: a row a sample that is not ranked.
EXCLUDED_COLUMNS = (*SAMPLE_COLUMNS, "reason")
GOOD, EMPTY_MASK, MISCLASSIFIED = "good", "empty_mask", "misclassified"  # the reasons
# Of a sample that ranking.relied_on leaves out when runs are read; no file has it.
NOT_RELIED_ON = "not_relied_on"


# Controls are scored beside the methods and never win: maps without evidence of what the model decides, which every
# method must beat, and what the model itself marks, which a method need not beat.
NO_EVIDENCE, OWN_EVIDENCE = "no evidence", "own evidence"

# variants.parquet: columns of scores.parquet for maps that were changed, or made otherwise, and in what.
BLUR, LAYER, RANDOMISED = "blur", "layer", "randomised"  # kinds of a variant
SPEARMAN, SSIM = "spearman", "ssim"  # similarity with the map of the trained network, of randomised ones
VARIANT_COLUMNS = ("variant", "level", "changed")


def chance_column(metric: str) -> str:
    """The column with a metric's expected score of a random map.

    Example:
        >>> chance_column("topk_overlap")
        'topk_overlap_chance'
    """
    return f"{metric}_chance"


def measure_column(measure: str, end: str = "") -> str:
    """A column of a measure of images: its name, and the end of the name where it fills several.

    Example:
        >>> measure_column("reliance"), measure_column("reliance", "least")
        ('reliance', 'reliance_least')
    """
    return f"{measure}_{end}" if end else measure


# By this column ranking.relied_on decides: above 0, the model uses the defect, whatever it is filled with.
RELIANCE = "reliance"
RELIED_ON_COLUMN = measure_column(RELIANCE, "least")


@dataclass(frozen=True)
class MethodFacts:
    """What ``run.json`` says of an attribution method.

    Attributes:
        label: Its name where people read it.
        color: Its colour in figures, ``#rrggbb``; empty where any will do.
        diagnostics: Columns of ``scores.parquet`` that it fills, with what each is, and its unit, in words.
        control: ``no evidence`` or ``own evidence`` of a control, empty of a method.
    """

    label: str
    color: str = ""
    diagnostics: dict[str, str] = field(default_factory=dict)
    control: str = ""


@dataclass(frozen=True)
class MetricFacts:
    """What ``run.json`` says of a metric.

    Attributes:
        label: Its name where people read it.
        higher_is_better: Whether larger values are better.
        low: The least possible value, None where there is none.
        high: The largest possible value, None where there is none.
    """

    label: str
    higher_is_better: bool = True
    low: float | None = 0.0
    high: float | None = 1.0

    @property
    def best(self) -> float | None:
        """The best possible value, None where there is none."""
        return self.high if self.higher_is_better else self.low

    @property
    def limits(self) -> tuple[float, float]:
        """Least and largest possible value, infinite where there is none."""
        return -math.inf if self.low is None else self.low, math.inf if self.high is None else self.high


@dataclass(frozen=True)
class MeasureFacts:
    """What ``run.json`` says of a measure of images.

    Attributes:
        label: Its name where people read it.
        columns: Columns of ``scores.parquet`` that it fills, with what each is, and its unit, in words.
    """

    label: str
    columns: dict[str, str] = field(default_factory=dict)


def to_record(
    facts: Mapping[str, MethodFacts] | Mapping[str, MetricFacts] | Mapping[str, MeasureFacts],
) -> dict[str, Any]:
    """Facts by name, as JSON holds them."""
    return {name: asdict(some) for name, some in facts.items()}


def method_facts(record: Mapping[str, Any]) -> dict[str, MethodFacts]:
    """The methods of a ``run.json``, by name in its order."""
    return {name: MethodFacts(**_known(MethodFacts, some)) for name, some in record["methods"].items()}


def metric_facts(record: Mapping[str, Any]) -> dict[str, MetricFacts]:
    """The metrics of a ``run.json``, by name in its order."""
    return {name: MetricFacts(**_known(MetricFacts, some)) for name, some in record["metrics"].items()}


def measure_facts(record: Mapping[str, Any]) -> dict[str, MeasureFacts]:
    """The measures of images of a ``run.json``, by name in its order; none where there was no model."""
    return {name: MeasureFacts(**_known(MeasureFacts, some)) for name, some in record.get("measures", {}).items()}


def _known(kind: type, record: Mapping[str, Any]) -> dict[str, Any]:
    """Without what a later version may have added."""
    names = {one.name for one in fields(kind)}
    return {name: value for name, value in record.items() if name in names}
