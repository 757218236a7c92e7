"""What a metric is: maps and masks in, a score an image out, and the facts that tables and statistics need."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor


class Metric(ABC):
    """A score of maps by masks: options in the constructor, and a call.

    To add one, write one file with one class here, and one entry in ``conf/evaluation/``.

    Attributes:
        label: Its name where people read it; empty for the entry's name in words.
        higher_is_better: Whether larger values are better.
        low: The least possible value, None where there is none.
        high: The largest possible value, None where there is none.
        non_negative: Whether it is defined for maps without negative values only.
    """

    label: str = ""
    higher_is_better: bool = True
    low: float | None = 0.0
    high: float | None = 1.0
    non_negative: bool = False

    @abstractmethod
    def __call__(self, maps: Tensor, masks: Tensor) -> Tensor:
        """Maps (B, H, W) floating and finite, masks (B, H, W) bool with at least one pixel each -> scores (B,)."""

    def chance(self, masks: Tensor) -> Tensor | None:
        """The expected score of a random map for masks (B, H, W) -> (B,); None where it is not known."""
        return None


class FunctionMetric(Metric):
    """A plain function as a metric, for an entry that needs no class.

    Args:
        function: Maps (B, H, W), masks (B, H, W) -> scores (B,).
        label: See :class:`Metric`.
        higher_is_better: See :class:`Metric`.
        low: See :class:`Metric`.
        high: See :class:`Metric`.
    """

    def __init__(
        self,
        function: Callable[[Tensor, Tensor], Tensor],
        label: str = "",
        higher_is_better: bool = True,
        low: float | None = None,
        high: float | None = None,
    ) -> None:
        self.function, self.label, self.higher_is_better = function, label, higher_is_better
        self.low, self.high = low, high

    def __call__(self, maps: Tensor, masks: Tensor) -> Tensor:
        """Maps (B, H, W), masks (B, H, W) -> scores (B,)."""
        return self.function(maps, masks)
