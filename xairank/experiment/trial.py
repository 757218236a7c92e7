"""Each method and metric once on a small random image, before hours of training end in a mistake of its code."""

import traceback
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from xairank.attribution import AttributionMethod, Model, NonFiniteError, Saliency, explain
from xairank.errors import UserError
from xairank.evaluation import ImageMeasure, Metric, ModelMetric, Probe
from xairank.experiment.probing import make_probe
from xairank.experiment.suited import obstacle_of
from xairank.models.adapt import adapt

SIDE = 64  # pixels; enough for every convolutional encoder


def try_methods(
    methods: Mapping[str, AttributionMethod],
    network: Model,
    metrics: Mapping[str, Metric] | None = None,
    side: int = SIDE,
) -> None:
    """Explains an image of noise with every method that can explain the network.

    Args:
        methods: By name.
        network: With random weights, as those of training need not be at hand.
        metrics: By name, those that will score the maps.
        side: Height and width of the image, in pixels.

    Raises:
        UserError: A method fails, gives something else than a map, or gives negative values, for which a metric is not
            defined.
    """
    refuses = next((name for name, metric in (metrics or {}).items() if metric.non_negative), None)
    image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    for name, method in methods.items():
        if obstacle_of(method, network) or _is_known(method):
            continue
        targets = None if getattr(method, "needs_prediction", True) else torch.zeros(1, dtype=torch.long)
        explained = _try(f"attribution.methods.{name}", partial(explain, {name: method}, network, image, targets))
        if refuses and explained is not None and bool((explained[name][0] < 0).any()):
            raise UserError(
                f"attribution.methods.{name}: gives negative values, for which evaluation.metrics.{refuses} is not "
                "defined; take their absolute or positive values, or choose evaluation=overlap"
            )


def try_metrics(metrics: Mapping[str, Metric], network: Model, side: int = SIDE) -> None:
    """Scores two maps of noise by every metric.

    Args:
        metrics: By name.
        network: What a metric asks that needs the model, of any weights.
        side: Height and width of the maps, in pixels.

    Raises:
        UserError: A metric fails, or gives something else than a number an image.
    """
    maps, masks, probe = _noise(network, side)
    for name, metric in metrics.items():
        key = f"evaluation.metrics.{name}"
        arguments = (maps, masks, probe) if isinstance(metric, ModelMetric) else (maps, masks)
        scores, chance = _try(key, partial(metric, *arguments)), _try(key, partial(metric.chance, masks))
        for values in (scores, *([] if chance is None else [chance])):
            _check_numbers(key, values)


def try_measures(measures: Mapping[str, ImageMeasure], network: Model, side: int = SIDE) -> None:
    """Measures two images of noise by every measure.

    Args:
        measures: By name.
        network: What they ask, of any weights.
        side: Height and width of the images, in pixels.

    Raises:
        UserError: A measure fails, or gives something else than numbers for each image.
    """
    _, masks, probe = _noise(network, side)
    for name, measure in measures.items():
        key = f"evaluation.measures.{name}"
        for values in (_try(key, partial(measure, masks, probe)) or {}).values():
            _check_numbers(key, values)


def _noise(network: Model, side: int) -> tuple[Tensor, Tensor, Probe]:
    """Two maps, their masks, and the probe of two images."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(2, side, side, generator=generator, dtype=torch.float64)
    masks = torch.zeros(2, side, side, dtype=torch.bool)
    masks[:, 10:20, 30:50] = True
    images = torch.rand(2, 3, side, side, generator=generator)
    probe = make_probe(cast(nn.Module, network), images, torch.zeros(2, dtype=torch.long), 8, Saliency())
    return maps, masks, probe


def _is_known(method: object) -> bool:
    """Whether a method is one of ours, which may be slow and can only fail by a layer that the network lacks."""
    return type(method).__module__.startswith("xairank.") and getattr(method, "layer", None) is None


def _check_numbers(key: str, values: object) -> None:
    if not isinstance(values, Tensor) or values.shape != (2,):
        found = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise UserError(f"{key}: gives {found} for 2 maps, expected one number an image, (2,); fix it")


def small_network() -> Model:
    """A network of two layers that every method can explain, for what depends on no network."""
    layers = nn.Sequential(nn.Conv2d(3, 4, 3, stride=8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return adapt(nn.Sequential(*layers, nn.Linear(4, 2)), layer="1", image_size=SIDE)


def _try(key: str, call: Callable[[], Any]) -> Any:  # noqa: ANN401
    try:
        return call()
    except NonFiniteError:  # which random weights may cause
        return None
    except UserError as error:  # of ours, such as a layer that the network lacks
        raise UserError(f"{key}: {error}") from None
    except Exception as error:  # whatever the user's code raises
        where = traceback.extract_tb(error.__traceback__)[-1]
        reason = " ".join(str(error).split()).removeprefix(key.rpartition(".")[2] + ": ") or type(error).__name__
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise UserError(
            f"{key}: fails on an image of noise: {kind}{reason} ({where.filename}, line {where.lineno}); fix it, or "
            "remove the entry"
        ) from None
