"""What is wrong with a data set, collected: training stops at it, the check lists all of it."""

from collections.abc import Iterator
from contextlib import contextmanager

from xairank.errors import UserError


class Faults:
    """The faults found so far, in the order of the data, each one line that names its file.

    Whoever reads data adds what it finds and goes on with the rest. Training calls :meth:`stop` after each step,
    ``python -m xairank.data check`` shows ``messages``: both see the same.

    Args:
        check: The command that lists every fault of this data.
    """

    def __init__(self, check: str = "python -m xairank.data check") -> None:
        self.check = check
        self.messages: list[str] = []

    def add(self, message: str) -> None:
        """Takes note of a fault."""
        self.messages.append(message)

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Turns a mistake that ends the block into a fault."""
        try:
            yield
        except UserError as error:
            self.add(str(error))

    def stop(self) -> None:
        """Goes on where nothing is wrong.

        Raises:
            UserError: The first fault, with the number of the others.
        """
        if not self.messages:
            return
        first, others = self.messages[0], len(self.messages) - 1
        rest = f" (and {others} more fault{'s' * (others > 1)}; {self.check} lists all)" if others else ""
        raise UserError(first + rest)
