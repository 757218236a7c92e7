"""Each method and metric once on a small random image, before hours of training end in a mistake of its code."""

import traceback
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from xairank.attribution import AttributionMethod, Model, NonFiniteError, explain
from xairank.errors import UserError
from xairank.evaluation import Metric
from xairank.experiment.suited import obstacle_of
from xairank.models.adapt import adapt

SIDE = 64  # pixels; enough for every convolutional encoder


def try_methods(methods: Mapping[str, AttributionMethod], network: Model, side: int = SIDE) -> None:
    """Explains an image of noise with every method that can explain the network.

    Args:
        methods: By name.
        network: With random weights, as those of training need not be at hand.
        side: Height and width of the image, in pixels.

    Raises:
        UserError: A method fails, or gives something else than a map.
    """
    image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    for name, method in methods.items():
        if obstacle_of(method, network):
            continue
        _try(f"attribution.methods.{name}", partial(explain, {name: method}, network, image))


def try_metrics(metrics: Mapping[str, Metric]) -> None:
    """Scores two maps of noise by every metric.

    Raises:
        UserError: A metric fails, or gives something else than a number an image.
    """
    maps = torch.rand(2, SIDE, SIDE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    masks = torch.zeros(2, SIDE, SIDE, dtype=torch.bool)
    masks[:, 10:20, 30:50] = True
    for name, metric in metrics.items():
        key = f"evaluation.metrics.{name}"
        scores, chance = _try(key, partial(metric, maps, masks)), _try(key, partial(metric.chance, masks))
        for values in (scores, *([] if chance is None else [chance])):
            if not isinstance(values, torch.Tensor) or values.shape != (2,):
                found = tuple(values.shape) if isinstance(values, torch.Tensor) else type(values).__name__
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
    except Exception as error:  # whatever the user's code raises
        where = traceback.extract_tb(error.__traceback__)[-1]
        reason = " ".join(str(error).split()).removeprefix(key.rpartition(".")[2] + ": ") or type(error).__name__
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise UserError(
            f"{key}: fails on an image of noise: {kind}{reason} ({where.filename}, line {where.lineno}); fix it, or "
            "remove the entry"
        ) from None
