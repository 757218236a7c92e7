"""What the metrics of a run are called, and which values are good."""

from collections.abc import Callable, Mapping
from typing import Any

from xairank.evaluation.metric import Metric
from xairank.names import display_name
from xairank.schema import MetricFacts


def describe_metrics(metrics: Mapping[str, Metric | Callable[..., Any]]) -> dict[str, MetricFacts]:
    """The facts of metrics by the names of their entries; of a plain function, those of :class:`Metric` by default."""
    return {
        name: MetricFacts(
            getattr(metric, "label", "") or display_name(name),
            getattr(metric, "higher_is_better", Metric.higher_is_better),
            getattr(metric, "low", None),
            getattr(metric, "high", None),
        )
        for name, metric in metrics.items()
    }
