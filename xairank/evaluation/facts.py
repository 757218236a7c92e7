"""What the metrics and measures of a run are called, and which values are good."""

from collections.abc import Mapping

from xairank.evaluation.metric import Metric
from xairank.evaluation.model_metric import ImageMeasure
from xairank.names import display_name
from xairank.schema import MeasureFacts, MetricFacts, measure_column


def describe_metrics(metrics: Mapping[str, Metric]) -> dict[str, MetricFacts]:
    """The facts of metrics by the names of their entries; without a label, that is the entry's name in words."""
    return {
        name: MetricFacts(metric.label or display_name(name), metric.higher_is_better, metric.low, metric.high)
        for name, metric in metrics.items()
    }


def describe_measures(measures: Mapping[str, ImageMeasure]) -> dict[str, MeasureFacts]:
    """The facts of measures by the names of their entries, with the words of each column that they fill."""
    return {
        name: MeasureFacts(
            measure.label or display_name(name),
            {measure_column(name, end): words for end, words in measure.columns.items()},
        )
        for name, measure in measures.items()
    }
