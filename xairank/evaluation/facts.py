"""What the metrics of a run are called, and which values are good."""

from collections.abc import Mapping

from xairank.evaluation.metric import Metric
from xairank.names import display_name
from xairank.schema import MetricFacts


def describe_metrics(metrics: Mapping[str, Metric]) -> dict[str, MetricFacts]:
    """The facts of metrics by the names of their entries; without a label, that is the entry's name in words."""
    return {
        name: MetricFacts(metric.label or display_name(name), metric.higher_is_better, metric.low, metric.high)
        for name, metric in metrics.items()
    }
