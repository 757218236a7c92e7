"""What a method costs an image."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch


@dataclass
class Cost:
    """What explaining with one method took, as if it had been the only one.

    Attributes:
        images: How many were explained.
        passes: Forward passes, a backward pass to the image being worth one more: half of what both cost.
        seconds: In all.
    """

    images: int = 0
    passes: float = 0.0
    seconds: float = 0.0

    def add(self, other: "Cost") -> None:
        """Adds what was spent on other images."""
        self.images += other.images
        self.passes += other.passes
        self.seconds += other.seconds


class Stopwatch:
    """Seconds, with an accelerator's work included."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def now(self) -> float:
        """Seconds since some moment."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    @contextmanager
    def added_to(self, cost: Cost) -> Iterator[None]:
        """Adds the time of a block to a cost."""
        started = self.now()
        yield
        cost.seconds += self.now() - started
