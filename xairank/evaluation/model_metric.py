"""What needs the model: metrics of maps, and measures of images."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from xairank.evaluation.metric import Metric
from xairank.evaluation.probe import Probe


class ModelMetric(Metric):
    """A score of maps that asks the model; maps from files, which come without one, are not scored by it.

    To add one, write one file with one class here, and one entry in ``conf/evaluation/``.

    Attributes:
        passes: Forward passes a map.
        explanations: How often the method that is scored explains an image again.
    """

    passes: int = 0
    explanations: int = 0

    def __call__(self, maps: Tensor, masks: Tensor, probe: Probe | None = None) -> Tensor:
        """Maps (B, H, W) floating and finite, masks (B, H, W) bool, both on the host, and the probe -> scores (B,).

        Raises:
            ValueError: The probe is missing.
        """
        if probe is None:
            raise ValueError(f"{type(self).__name__} asks the model: call it with a probe, (maps, masks, probe)")
        return self.score(maps, masks, probe)

    @abstractmethod
    def score(self, maps: Tensor, masks: Tensor, probe: Probe) -> Tensor:
        """What a call gives; the probe has the images of the maps, on the model's device."""


class ImageMeasure(ABC):
    """A property of an image and its mask by the model, the same for all methods.

    To add one, write one file with one class here, and one entry under ``measures`` in ``conf/evaluation/``.

    Attributes:
        label: Its name where people read it; empty for the entry's name in words.
        columns: What it gives, in words with the unit, by the end of the column's name; the empty end is the column
            that has the entry's own name.
        passes: Forward passes an image.
    """

    label: str = ""
    columns: ClassVar[Mapping[str, str]] = {"": ""}
    passes: int = 0

    @abstractmethod
    def __call__(self, masks: Tensor, probe: Probe) -> dict[str, Tensor]:
        """Masks (B, H, W) bool, on the host, at least one pixel each, and the probe -> numbers (B,) by ``columns``."""


def check_choice(name: str, value: object, allowed: Mapping[str, object] | tuple[str, ...]) -> None:
    """That an option is one of those allowed.

    Raises:
        ValueError: It is not; names it and what is.
    """
    if value not in allowed:
        raise ValueError(f"{name}={value} is not allowed: expected {' or '.join(allowed)}")


def check_count(name: str, value: object) -> None:
    """That an option is a whole number of at least 1.

    Raises:
        ValueError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}={value} is not allowed: expected a whole number of at least 1")
