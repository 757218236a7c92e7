"""How work reports its progress without knowing who watches: commands pass these in, the rooms print nothing."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar

T = TypeVar("T")


class Track(Protocol):
    """Passes items on one by one, and may show how many of ``count`` are done."""

    def __call__(self, items: Iterable[T], count: int) -> Iterable[T]:
        """Yields ``items`` unchanged."""


def untracked(items: Iterable[T], count: int) -> Iterable[T]:
    """The :class:`Track` that shows nothing."""
    return items


class Monitor:
    """What a download reports; this one shows nothing, :class:`xairank.console.ConsoleMonitor` prints."""

    def message(self, text: str) -> None:
        """Takes a line for the user."""

    def bar(self, name: str, total: int | None, done: int) -> AbstractContextManager[Callable[[int], object]]:
        """A progress bar for the block; the function it yields takes each number of further bytes.

        Args:
            name: What is downloaded.
            total: Its bytes; None where the server does not say.
            done: The bytes there already.
        """
        return nullcontext(lambda advance: None)
