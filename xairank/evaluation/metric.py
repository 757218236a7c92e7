"""What a metric is: maps and masks in, a score an image out, and the facts that tables and statistics need."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor


class Metric(ABC):
    """A score of maps by masks: options in the constructor, and a call.

    To add one, write one file with one class here, and one entry in ``conf/evaluation/``.

    Attributes:
        label: Its name where people read it; empty for the entry's name in words.
        higher_is_better: Whether larger values are better.
        low: The least possible value, None where there is none.
        high: The largest possible value, None where there is none.
    """

    label: ClassVar[str] = ""
    higher_is_better: ClassVar[bool] = True
    low: ClassVar[float | None] = 0.0
    high: ClassVar[float | None] = 1.0

    @abstractmethod
    def __call__(self, maps: Tensor, masks: Tensor) -> Tensor:
        """Maps (B, H, W) floating and finite, masks (B, H, W) bool with at least one pixel each -> scores (B,)."""

    def chance(self, masks: Tensor) -> Tensor | None:
        """The expected score of a random map for masks (B, H, W) -> (B,); None where it is not known."""
        return None
