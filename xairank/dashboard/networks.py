"""The networks in memory: loaded and frozen once, however many people explain with them."""

from collections import OrderedDict
from typing import NamedTuple

from torch import Tensor, nn

from xairank.attribution import FrozenModel
from xairank.dashboard.sources import Source
from xairank.experiment.classifier import Classifier, load_classifier
from xairank.experiment.explainer import freeze_classifier
from xairank.experiment.ranked import choose_device

KEPT = 3  # networks; the one that was used longest ago is given up for a fourth


class Network(NamedTuple):
    """A network that is ready to be explained.

    Attributes:
        plain: As it was loaded, which methods are asked whether they suit.
        frozen: The same function, fast.
        classes: Names of its outputs, in order.
    """

    plain: nn.Module
    frozen: FrozenModel
    classes: list[str]


class Networks:
    """Loads networks, and keeps the last few.

    Args:
        device: As the key ``device`` has it.
        batch_limit: As the key ``attribution.batch_limit`` has it.
    """

    def __init__(self, device: str, batch_limit: int | str) -> None:
        self._device, self._batch_limit = choose_device(device), batch_limit
        self._kept: OrderedDict[str, Network] = OrderedDict()

    def load(self, source: Source, image: Tensor) -> Network:
        """The network of a source.

        Args:
            source: Which.
            image: What it is frozen with where it is new, (1, 3, S, S).

        Raises:
            UserError: It cannot be built.
        """
        key = source.key
        if key not in self._kept:
            self._kept[key] = self._loaded(source, image)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def check(self, source: Source) -> None:
        """Builds the network of a source, for its mistakes alone.

        Raises:
            UserError: It cannot be built.
        """
        self._classifier(source)

    def _classifier(self, source: Source) -> Classifier:
        config = {"model": source.model, "data": {"image_size": source.view.size}}
        return load_classifier(config, (), self._device)

    def _loaded(self, source: Source, image: Tensor) -> Network:
        classifier = self._classifier(source)
        frozen = freeze_classifier(classifier, image, self._batch_limit)
        return Network(classifier.network, frozen, classifier.classes)
