"""Runs methods on images: batches that fit into memory, one forward pass for all methods."""

import gc
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from xairank.attribution.acceleration.automatic import accelerated
from xairank.attribution.acceleration.batch_limit import checked_limit, default_batch_limit
from xairank.attribution.checks import NonFiniteError
from xairank.attribution.cost import Cost
from xairank.attribution.forward_pass import ForwardPass
from xairank.attribution.protocol import Model, checked, explaining, is_out_of_memory
from xairank.attribution.score import SCORES
from xairank.attribution.shared_pass import explain_score, score_of

Diagnostics = dict[str, Tensor]
Explanation = tuple[Tensor, Diagnostics]

logger = logging.getLogger(__name__)


class AttributionMethod(ABC):
    """A method: options in the constructor, :meth:`attribute` to write, a call that explains.

    To add one, write one file with one class here, and one entry in ``conf/attribution/``. Every method has the options
    below; a constructor of its own takes them as ``**options`` and hands them on.

    Args:
        score: What is explained: the target's ``logit``, its ``probability``, or the ``contrast``: its logit minus the
            largest of the others.
        smooth: Standard deviation of a Gaussian blur of the map, in pixels; 0 for none.

    Attributes:
        label: Its name where people read it; empty for the entry's name in words.
        color: Its colour in figures, ``#rrggbb``; empty for any that is free.
        diagnostics: The numbers an image that :meth:`attribute` reports, with what each is, and its unit, in words.
        uses_input_gradients: Whether it asks the forward pass for ``input_gradients``, which are cheaper when foreseen.
        needs_prediction: Whether it reads what the forward pass gives, or the gradients at the image.
        needs_feature_map: Whether it reads the feature map, which some networks have none of.
        needs_decoder: Whether it reads the predicted mask, which only multitask models have.
        control: Of a control, :data:`xairank.schema.NO_EVIDENCE` or ``OWN_EVIDENCE``; empty of a method, which may win.

    Raises:
        ValueError: An option that is not allowed; names it and what is.
    """

    label: ClassVar[str] = ""
    color: ClassVar[str] = ""
    diagnostics: ClassVar[Mapping[str, str]] = {}
    uses_input_gradients: ClassVar[bool] = False
    needs_prediction: ClassVar[bool] = True
    needs_feature_map: ClassVar[bool] = False
    needs_decoder: ClassVar[bool] = False
    control: ClassVar[str] = ""
    score: str = "logit"
    smooth: float = 0.0

    def __init__(self, *, score: str = "logit", smooth: float = 0.0) -> None:
        if score not in SCORES:
            raise ValueError(f"score={score} is not allowed: expected {' or '.join(SCORES)}")
        if isinstance(smooth, bool) or not isinstance(smooth, int | float) or not 0 <= smooth < float("inf"):
            raise ValueError(f"smooth={smooth} is not allowed: expected a number of pixels of at least 0")
        self.score, self.smooth = score, float(smooth)

    def __call__(self, model: Model, images: Tensor, targets: Tensor, *, accelerate: bool = True) -> Tensor:
        """Images (B, C, H, W), targets (B,) -> maps (B, H, W); for ``accelerate`` see :func:`explain`."""
        return explain({"": self}, model, images, targets, accelerate=accelerate)[""][0]

    def passes(self, images: Tensor) -> int:
        """About how many forward passes each of these images costs, a backward pass being worth one."""
        return 2

    def obstacle(self, model: Model) -> str:
        """Why the method cannot explain a model, in words that follow "it"; empty where it can."""
        if self.needs_feature_map and len(getattr(model, "feature_shape", ("C", "h", "w"))) != 3:
            return "needs a feature map, and no layer of the network gives one that the logits depend on everywhere"
        if self.needs_decoder and getattr(model, "decode", None) is None:  # a frozen model without decoder has None
            return "needs a model that predicts a mask"
        return ""

    @abstractmethod
    def attribute(self, forward: ForwardPass) -> Explanation:
        """Maps (B, H, W) for a forward pass of B images, and what the method can report of them, a row an image.

        A map is larger where the evidence is stronger: its largest values are its top K, so of signed attributions
        the absolute or the positive ones are wanted.

        Reported are numbers (B,), those of ``diagnostics`` with their words in tables; and, where a map is a smaller
        one upsampled, that one as ``class_activation`` (B, h, w), which figures show.
        """


Method = AttributionMethod | Callable[[Model, Tensor, Tensor], Tensor]


def explain(
    methods: Mapping[str, Method],
    model: Model,
    images: Tensor,
    targets: Tensor | None = None,
    *,
    batch_limit: int | None = None,
    costs: dict[str, Cost] | None = None,
    accelerate: bool = True,
) -> dict[str, Explanation]:
    """Explains images with several methods that share what they have in common.

    Where the work repays it, a frozen copy of the model, see :func:`~xairank.attribution.freeze`, does it: the same
    maps up to rounding, in about half the time. It is kept for the next call as long as the model lives and is not
    changed.

    Memory is bounded by ``batch_limit``, whatever the number of images or steps. Where it does not suffice, the limit
    is halved, with a warning, and the work goes on.

    Args:
        methods: By name. A plain callable ``(model, images, targets) -> maps`` is called as it is and shares nothing.
        model: Left as it is found; :func:`~xairank.attribution.freeze` makes a faster one.
        images: (B, C, H, W), in the model's input space.
        targets: The classes to explain, (B,) int64; None for the predicted ones.
        batch_limit: Largest batch in one pass; by default the attribute of this name of the model, or
            :func:`~xairank.attribution.acceleration.batch_limit.default_batch_limit`.
        costs: Takes what each method costs, by name, added to what is there.
        accelerate: False explains the model as it is, always.

    Returns:
        By method: maps (B, H, W), and diagnostics by name, a row an image.

    Raises:
        ValueError: Images and targets that do not fit each other, a batch limit below 1, or a method that cannot
            explain the model, see :meth:`AttributionMethod.obstacle`.
        NonFiniteError: What the model computes, or a map, is NaN or infinite.
    """
    with explaining(model):
        images, targets = checked(images, targets)
        own = [method for method in methods.values() if isinstance(method, AttributionMethod)]
        if accelerate and len(own) == len(methods):  # a callable is called with the model that it was meant for
            model = accelerated(model, images, len(images) * sum(method.passes(images) for method in own))
        return _explain_all(methods, model, images, targets, batch_limit, costs)


def _explain_all(
    methods: Mapping[str, Method],
    model: Model,
    images: Tensor,
    targets: Tensor | None,
    batch_limit: int | None,
    costs: dict[str, Cost] | None,
) -> dict[str, Explanation]:
    """The explanations, batch after batch."""
    if batch_limit is None:
        batch_limit = getattr(model, "batch_limit", None)
    limit = default_batch_limit(images.device) if batch_limit is None else checked_limit(batch_limit)
    parts: list[dict[str, Explanation]] = []
    start = 0
    with explaining(model):
        while start < len(images) or not parts:
            rows = slice(start, start + limit)
            try:
                some = None if targets is None else targets[rows]
                part = _within_memory(methods, model, images[rows], some, limit, costs)
            except NonFiniteError as error:
                raise NonFiniteError(error.method, error.what, start + error.image) from None
            if part is None:
                limit = _halved(model, limit)
                continue
            parts.append(part)
            start += limit
    return {name: _joined([part[name] for part in parts]) for name in methods}


def _within_memory(
    methods: Mapping[str, Method],
    model: Model,
    images: Tensor,
    targets: Tensor | None,
    batch_limit: int,
    costs: dict[str, Cost] | None,
) -> dict[str, Explanation] | None:
    """The explanations, or None where memory does not suffice and the limit can be lowered."""
    spent: dict[str, Cost] = {}
    try:
        explanations: dict[str, Explanation] = {}
        for score in dict.fromkeys(score_of(method) for method in methods.values()):
            some = {name: method for name, method in methods.items() if score_of(method) == score}
            explanations |= explain_score(score, some, model, images, targets, batch_limit, spent)
    except Exception as error:
        if batch_limit == 1 or not is_out_of_memory(error):
            raise
        return None
    if costs is not None:
        for name, cost in spent.items():
            costs.setdefault(name, Cost()).add(cost)
    return explanations


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
