"""Several methods on a few images: what each needs of the network, computed once for all."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from xairank.attribution.checks import check_feature_map, check_finite, check_shape, naming_what_is_missing
from xairank.attribution.cost import Cost, Stopwatch
from xairank.attribution.forward_pass import ForwardPass
from xairank.attribution.protocol import Model
from xairank.attribution.score import SCORES
from xairank.attribution.smoothing import smoothed


def explain_score(
    score: str,
    methods: Mapping[str, Any],
    model: Model,
    images: Tensor,
    targets: Tensor | None,
    batch_limit: int,
    costs: dict[str, Cost],
) -> dict[str, tuple[Tensor, dict[str, Tensor]]]:
    """Maps and diagnostics of methods that explain the same score, from one forward pass.

    Args:
        score: One of :data:`~xairank.attribution.score.SCORES`.
        methods: By name: with ``attribute``, or plain callables.
        model: Inside :func:`~xairank.attribution.protocol.explaining`.
        images: (B, C, H, W).
        targets: (B,); None for the predicted ones.
        batch_limit: Largest batch in one pass.
        costs: Takes what each method costs.

    Raises:
        NonFiniteError: What the model computes, or a map, is NaN or infinite.
    """
    watch, shared = Stopwatch(images.device), Cost()
    input_gradients = any(_uses_input_gradients(method) for method in methods.values())
    predicts = {name: targets is None or _needs_prediction(method) for name, method in methods.items()}
    with watch.added_to(shared):
        forward = ForwardPass(
            model,
            images,
            targets,
            batch_limit,
            input_gradients=input_gradients,
            score=SCORES[score],
            predict=any(predicts.values()),
        )
    explanations = {}
    for name, method in methods.items():
        own, before = Cost(), forward.passes
        with watch.added_to(own), naming_what_is_missing(name, forward):
            check_feature_map(name, method, forward)
            attribute = getattr(method, "attribute", None)
            maps, diagnostics = attribute(forward) if attribute else (method(model, images, forward.targets), {})
        check_shape(name, maps, images)
        maps = smoothed(maps, getattr(method, "smooth", 0.0))
        for what, values in (*forward.computed(), ("the map", maps)):
            check_finite(name, what, values)
        explanations[name] = maps, diagnostics
        alone = len(images) * (predicts[name] + _uses_input_gradients(method))
        seconds = own.seconds + shared.seconds * predicts[name]
        costs[name] = Cost(len(images), alone + forward.passes - before, seconds)
    return explanations


def score_of(method: object) -> str:
    """The name of the score that a method explains."""
    return getattr(method, "score", "logit")


def _needs_prediction(method: object) -> bool:
    return bool(getattr(method, "needs_prediction", True))


def _uses_input_gradients(method: object) -> bool:
    return bool(getattr(method, "uses_input_gradients", False))
