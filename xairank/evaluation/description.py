"""What run.json says of metrics."""

from collections.abc import Mapping

from xairank.evaluation.metric import Metric
from xairank.names import display_name
from xairank.schema import MetricFacts


def describe_metrics(metrics: Mapping[str, Metric]) -> dict[str, MetricFacts]:
    """The facts by entry name."""
    return {
        name: MetricFacts(metric.label or display_name(name), metric.higher_is_better, metric.low, metric.high)
        for name, metric in metrics.items()
    }
