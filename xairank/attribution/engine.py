"""Runs methods on images: batches that fit into memory, one forward pass for all methods."""

import gc
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from xairank.attribution.acceleration.batch_limit import checked_limit, default_batch_limit
from xairank.attribution.forward_pass import ForwardPass
from xairank.attribution.protocol import Model, checked, explaining, is_out_of_memory

Diagnostics = dict[str, Tensor]
Explanation = tuple[Tensor, Diagnostics]

logger = logging.getLogger(__name__)


class AttributionMethod(ABC):
    """A method: options in the constructor, :meth:`attribute` to write, a call that explains.

    To add one, write one file with one class here, and one entry in ``conf/attribution/``.

    Attributes:
        label: Its name where people read it; empty for the entry's name in words.
        color: Its colour in figures, ``#rrggbb``; empty for any that is free.
        diagnostics: The numbers an image that :meth:`attribute` reports, with what each is, and its unit, in words.
        uses_input_gradients: Whether it asks the forward pass for ``input_gradients``, which are cheaper when foreseen.
        needs_feature_map: Whether it reads the feature map, which some networks have none of.
        needs_decoder: Whether it reads the predicted mask, which only multitask models have.
        control: Of a control, :data:`xairank.schema.NO_EVIDENCE` or ``OWN_EVIDENCE``; empty of a method, which may win.
    """

    label: ClassVar[str] = ""
    color: ClassVar[str] = ""
    diagnostics: ClassVar[Mapping[str, str]] = {}
    uses_input_gradients: ClassVar[bool] = False
    needs_feature_map: ClassVar[bool] = False
    needs_decoder: ClassVar[bool] = False
    control: ClassVar[str] = ""

    def __call__(self, model: Model, images: Tensor, targets: Tensor) -> Tensor:
        """Images (B, C, H, W), targets (B,) -> maps (B, H, W)."""
        return explain({"": self}, model, images, targets)[""][0]

    @abstractmethod
    def attribute(self, forward: ForwardPass) -> Explanation:
        """Maps (B, H, W) for a forward pass of B images, and what the method can report of them, a row an image.

        A map is larger where the evidence is stronger: its largest values are its top K, so of signed attributions
        the absolute or the positive ones are wanted.

        Reported are numbers (B,), those of ``diagnostics`` with their words in tables; and, where a map is a smaller
        one upsampled, that one as ``class_activation`` (B, h, w), which figures show.
        """


def explain(
    methods: Mapping[str, AttributionMethod | Callable[[Model, Tensor, Tensor], Tensor]],
    model: Model,
    images: Tensor,
    targets: Tensor | None = None,
    *,
    batch_limit: int | None = None,
) -> dict[str, Explanation]:
    """Explains images with several methods that share what they have in common.

    Memory is bounded by ``batch_limit``, whatever the number of images or steps. Where it does not suffice, the limit
    is halved, with a warning, and the work goes on.

    Args:
        methods: By name. A plain callable ``(model, images, targets) -> maps`` is called as it is and shares nothing.
        model: Left as it is found; :func:`~xairank.attribution.freeze` makes a faster one.
        images: (B, C, H, W), in the model's input space.
        targets: The classes to explain, (B,) int64; None for the predicted ones.
        batch_limit: Largest batch in one pass; by default the attribute of this name of the model, or
            :func:`~xairank.attribution.acceleration.batch_limit.default_batch_limit`.

    Returns:
        By method: maps (B, H, W), and diagnostics by name, a row an image.

    Raises:
        ValueError: Images and targets that do not fit each other, or a batch limit below 1.
        NonFiniteError: What the model computes, or a map, is NaN or infinite.
    """
    if batch_limit is None:
        batch_limit = getattr(model, "batch_limit", None)
    limit = default_batch_limit(images.device) if batch_limit is None else checked_limit(batch_limit)
    parts: list[dict[str, Explanation]] = []
    start = 0
    with explaining(model):
        images, targets = checked(images, targets)
        while start < len(images) or not parts:
            rows = slice(start, start + limit)
            try:
                part = _within_memory(methods, model, images[rows], None if targets is None else targets[rows], limit)
            except NonFiniteError as error:
                raise NonFiniteError(error.method, error.what, start + error.image) from None
            if part is None:
                limit = _halved(model, limit)
                continue
            parts.append(part)
            start += limit
    return {name: _joined([part[name] for part in parts]) for name in methods}


class NonFiniteError(ValueError):
    """What a model computes for an image, or a map of it, is NaN or infinite.

    Attributes:
        method: Name of the method that met it.
        what: What it is, in words.
        image: The image's place in the batch that was given to :func:`explain`.
    """

    def __init__(self, method: str, what: str, image: int) -> None:
        named = f"{method}: " if method else ""
        super().__init__(
            f"{named}{what} of image {image} holds NaN or infinite values; check that image and the model's weights"
        )
        self.method, self.what, self.image = method, what, image


def _check_shape(method: str, maps: Tensor, images: Tensor) -> None:
    expected = (len(images), *images.shape[2:])
    if not isinstance(maps, Tensor) or maps.shape != expected:
        found = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
        raise ValueError(
            f"{method}: returned {found} for {len(images)} images, expected maps {expected}; reduce channels to one"
        )


def _check_feature_map(name: str, method: object, forward: ForwardPass) -> None:
    if getattr(method, "needs_feature_map", False) and forward.features.ndim != 4:
        raise ValueError(
            f"{name}: needs a feature map (B, C, h, w), but the model's features are {tuple(forward.features.shape)}; "
            "name a layer that gives one, or choose another method"
        )


def _check_finite(method: str, what: str, values: Tensor) -> None:
    if not bool(values.isfinite().all()):
        images = (~values.isfinite()).flatten(1).any(dim=1)
        raise NonFiniteError(method, what, int(images.nonzero()[0]))


def _within_memory(
    methods: Mapping[str, AttributionMethod | Callable[[Model, Tensor, Tensor], Tensor]],
    model: Model,
    images: Tensor,
    targets: Tensor | None,
    batch_limit: int,
) -> dict[str, Explanation] | None:
    """The explanations, or None where memory does not suffice and the limit can be lowered."""
    try:
        input_gradients = any(getattr(method, "uses_input_gradients", False) for method in methods.values())
        forward = ForwardPass(model, images, targets, batch_limit, input_gradients=input_gradients)
        explanations = {}
        for name, method in methods.items():
            _check_feature_map(name, method, forward)
            explanation = (
                method.attribute(forward)
                if isinstance(method, AttributionMethod)
                else (method(model, images, forward.targets), {})
            )
            _check_shape(name, explanation[0], images)
            for what, values in (*forward.computed(), ("the map", explanation[0])):
                _check_finite(name, what, values)
            explanations[name] = explanation
        return explanations
    except Exception as error:
        if batch_limit == 1 or not is_out_of_memory(error):
            raise
        return None


def _halved(model: Model, limit: int) -> int:
    limit //= 2
    if hasattr(model, "batch_limit"):
        model.batch_limit = min(model.batch_limit, limit)  # what did not fit once is not tried again
    logger.warning("Out of memory: going on with batches of %d", limit)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return limit


def _joined(parts: list[Explanation]) -> Explanation:
    maps = torch.cat([maps for maps, _ in parts])
    return maps, {name: torch.cat([diagnostics[name] for _, diagnostics in parts]) for name in parts[0][1]}
