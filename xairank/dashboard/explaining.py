"""One explanation, step by step, so that a page can show what is there and a person can stop what is not."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, cast

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from xairank.attribution import AttributionMethod, Cost, FrozenModel, Model, describe_methods
from xairank.dashboard.networks import Network, Networks
from xairank.dashboard.options import plain_words
from xairank.dashboard.sources import Source
from xairank.evaluation import Reliance
from xairank.experiment.explainer import as_tensor, explain_batch, numbers_of, overlap_with, predict_images
from xairank.experiment.probing import make_probe
from xairank.experiment.suited import obstacle_of


class Question(NamedTuple):
    """What is asked of a network.

    Attributes:
        source: The network.
        name: What the image is called.
        image: In the network's view, (S, S, 3).
        mask: Of the defect in the network's view, (S, S); None where it is not known.
        target: ``predicted``, or a class.
        methods: By name.
    """

    source: Source
    name: str
    image: NDArray[np.uint8]
    mask: NDArray[np.bool_] | None
    target: str
    methods: Mapping[str, AttributionMethod]


class Answer(NamedTuple):
    """What the network says of the image, before anything is explained.

    Attributes:
        predicted: The class.
        probability: Of it.
        explained: The class that the maps explain.
        chance: The overlap of a random map; None without a mask.
        left_out: Methods that cannot explain the network, and why.
    """

    predicted: str
    probability: float
    explained: str
    chance: float | None
    left_out: dict[str, str]


class Explained(NamedTuple):
    """The map of one method.

    Attributes:
        name: Of the method's entry.
        label: What people call it.
        map: (S, S).
        overlap: Top-K Overlap; None without a mask.
        cost: Passes and seconds.
        diagnostics: What the method reports, in words.
    """

    name: str
    label: str
    map: NDArray[np.float32]
    overlap: float | None
    cost: Cost
    diagnostics: dict[str, float | int | None]


class Relied(NamedTuple):
    """How much the network uses the defect, in logits; see :class:`~xairank.evaluation.Reliance`."""

    reliance: float
    least: float


Step = Answer | Explained | Relied


class Watched:
    """A frozen network that calls back before each batch: counts its images, and may raise to end it all.

    Args:
        model: Left as it is.
        before: Is told the number of images.
    """

    def __init__(self, model: FrozenModel, before: Callable[[int], None]) -> None:
        self._model, self._before = model, before

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._model, name)

    def forward_features(self, images: Tensor) -> Any:  # noqa: ANN401
        """As of the network."""
        self._before(len(images))
        return self._model.forward_features(images)

    def forward_rest(self, prefix: Tensor) -> Any:  # noqa: ANN401
        """As of the network."""
        self._before(len(prefix))
        return self._model.forward_rest(prefix)

    def at_layer(self, layer: str | int) -> "Watched":
        """As of the network."""
        return Watched(self._model.at_layer(layer), self._before)


def explain_image(networks: Networks, question: Question, before: Callable[[int], None]) -> Iterator[Step]:
    """What the network says, then the map of each method, then how much it uses the defect.

    Args:
        networks: Those in memory.
        question: What is asked.
        before: Called before each batch with its number of images; what it raises ends the explanation.

    Raises:
        UserError: The network cannot be built, or a method cannot explain it.
    """
    image = as_tensor([question.image])
    network = networks.load(question.source, image)
    model = cast(Model, Watched(network.frozen, before))
    image = image.to(next(network.frozen.parameters()).device)
    pl.seed_everything(question.source.seed, verbose=False)
    probabilities, targets = predict_images(model, image, network.classes, question.target, [question.name])
    suited, left_out = _suited(question.methods, network)
    yield _answer(question, network, probabilities[0], int(targets[0]), left_out)
    facts = describe_methods(question.methods)
    for name, method in suited.items():
        costs: dict[str, Cost] = {}
        maps, diagnostics = explain_batch({name: method}, model, image, targets, [question.name], costs)[name]
        words = facts[name].diagnostics
        numbers = {words.get(key, plain_words(key)): value for key, value in numbers_of(diagnostics).items()}
        overlap = overlap_with(question.mask, maps[0])
        yield Explained(name, facts[name].label, maps[0].numpy(), overlap, costs[name], numbers)
    if question.mask is not None and question.mask.any():
        yield _relied(model, image, targets, question.mask)


def _suited(
    methods: Mapping[str, AttributionMethod], network: Network
) -> tuple[dict[str, AttributionMethod], dict[str, str]]:
    obstacles = {name: obstacle_of(method, network.plain) for name, method in methods.items()}
    suited = {name: method for name, method in methods.items() if not obstacles[name]}
    facts = describe_methods(methods)
    return suited, {facts[name].label: why for name, why in obstacles.items() if why}


def _answer(
    question: Question, network: Network, probabilities: Tensor, target: int, left_out: dict[str, str]
) -> Answer:
    mask, predicted = question.mask, int(probabilities.argmax())
    chance = float(mask.mean()) if mask is not None and mask.any() else None
    probability = float(probabilities[predicted])
    return Answer(network.classes[predicted], probability, network.classes[target], chance, left_out)


def _relied(model: Model, image: Tensor, targets: Tensor, mask: NDArray[np.bool_]) -> Relied:
    limit: int = model.batch_limit  # type: ignore[attr-defined]
    probe = make_probe(model, image, targets, limit)  # type: ignore[arg-type]
    found = Reliance()(torch.from_numpy(mask)[None], probe)
    return Relied(float(found[""][0]), float(found["least"][0]))
