"""The model for metrics and measures that ask it: built here, called there, and what it costs in words."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor, nn

from xairank.attribution import AttributionMethod, Model, explain
from xairank.console import print_line
from xairank.errors import UserError
from xairank.evaluation import ImageMeasure, Metric, ModelMetric, Probe
from xairank.experiment.prediction import predict_logits
from xairank.names import count, in_words
from xairank.schema import measure_column


def make_probe(
    model: nn.Module, images: Tensor, targets: Tensor, batch_limit: int, method: AttributionMethod | None = None
) -> Probe:
    """The model as metrics may ask it: without gradients, in full precision, in batches of ``batch_limit``.

    Args:
        model: In the protocol of attribution, left as it is.
        images: (B, C, H, W), on its device.
        targets: The explained classes, (B,).
        batch_limit: Of forward passes.
        method: The one that is scored, if any.
    """
    targets = targets.to(images.device)

    def explain_again(method: AttributionMethod, some: Tensor) -> Tensor:
        return explain({"": method}, cast(Model, model), some, targets, batch_limit=batch_limit)[""][0]

    again = None if method is None else partial(explain_again, method)
    return Probe(images, targets, partial(predict_logits, model), batch_limit, again)


def measure_images(
    measures: Mapping[str, ImageMeasure], masks: Tensor, probe: Probe, samples: pd.Series
) -> dict[str, NDArray[np.float64]]:
    """The columns of all measures, (B,) each.

    Raises:
        UserError: A measure gives something else than a finite number an image.
    """
    columns: dict[str, NDArray[np.float64]] = {}
    for name, measure in measures.items():
        numbers = measure(masks, probe)
        if set(numbers) != set(measure.columns):
            raise UserError(
                f"evaluation.measures.{name}: gives {sorted(numbers)}, its columns are {sorted(measure.columns)}"
            )
        for end, values in numbers.items():
            columns[measure_column(name, end)] = checked_values(f"evaluation.measures.{name}", values, samples)
    return columns


def checked_values(key: str, values: Tensor, samples: pd.Series, whose: str = "") -> NDArray[np.float64]:
    """Values (B,) of a metric or measure.

    Raises:
        UserError: They are not one finite number an image.
    """
    if values.shape != (len(samples),):
        raise UserError(f"{key}: gives values of shape {tuple(values.shape)}, expected one an image, {(len(samples),)}")
    wrong = (~values.isfinite()).nonzero().flatten().tolist()
    if wrong:
        kind = "measure" if ".measures." in key else "metric"
        raise UserError(
            f"{key}: gives {values[wrong[0]].item()} for {samples.iloc[wrong[0]]}{whose}; a {kind} must be finite, fix "
            "it or remove its entry"
        )
    return values.double().cpu().numpy()


def print_cost(
    metrics: Mapping[str, Metric], measures: Mapping[str, ImageMeasure], n_methods: int, variants: Sequence[str] = ()
) -> None:
    """A line that says what the metrics, measures and variants cost beside the methods, where they cost anything.

    Args:
        metrics: By name.
        measures: By name.
        n_methods: Methods and controls, each of whose maps is scored.
        variants: What variants of the maps cost, in words.
    """
    asking = [metric for metric in metrics.values() if isinstance(metric, ModelMetric)]
    passes = sum(measure.passes for measure in measures.values()) + n_methods * sum(some.passes for some in asking)
    again = sum(some.explanations for some in asking)
    parts = [f"{count(passes, 'forward pass', 'forward passes')} an image beside the methods' own"] if passes else []
    parts += [f"each method explains each image {again} times more for its metrics"] if again else []
    parts += variants
    if parts:
        print_line(f"Evaluation: {'; '.join(parts)}.")


def without_model(metrics: Mapping[str, Metric], deciding: str) -> dict[str, Metric]:
    """The metrics that can score maps from elsewhere, which come without a model; a line tells of the others.

    Args:
        metrics: By name.
        deciding: The metric that decides.

    Raises:
        UserError: It is one of the others.
    """
    left_out = [name for name, metric in metrics.items() if isinstance(metric, ModelMetric)]
    if deciding in left_out:
        raise UserError(
            f"ranking.metric={deciding}: asks the model, and maps from elsewhere come without one; choose another of "
            f"evaluation.metrics: {' or '.join(name for name in metrics if name not in left_out)}"
        )
    if left_out:
        verb = "is" if len(left_out) == 1 else "are"
        print_line(
            f"Note: {in_words(left_out)} {verb} left out: maps from elsewhere come without the model, which "
            "such a metric asks."
        )
    return {name: metric for name, metric in metrics.items() if name not in left_out}
