"""What is wrong with a data set, collected: training stops at the first fault, the check lists them all."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from xairank.errors import UserError

SHOWN = 20  # of faults of one kind


class Faults:
    """The faults found so far, in the order of the data, each one line that names its file.

    Code that reads data adds what it finds and continues with the rest. Training calls :meth:`stop` after each step,
    ``python -m xairank.data check`` shows ``messages``: both see the same.

    Args:
        check: The command that lists every fault of this data; empty where there is none.
    """

    def __init__(self, check: str = "python -m xairank.data check") -> None:
        self.check = check
        self.messages: list[str] = []

    def add(self, message: str) -> None:
        """Adds a fault."""
        self.messages.append(message)

    def grouped(self, shown: int | None = None) -> list[str]:
        """The messages, but of those with the same advice only the first ``shown``, then how many more there are."""
        shown = SHOWN if shown is None else shown
        counts = Counter(map(_advice, self.messages))
        seen: Counter[str] = Counter()
        lines = []
        for message in self.messages:
            kind = _advice(message)
            seen[kind] += 1
            if seen[kind] <= shown:
                lines.append(message)
            if seen[kind] == shown < counts[kind]:
                lines.append(f"and {counts[kind] - shown} more like it ({kind})")
        return lines

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Turns a UserError that ends the block into a fault."""
        try:
            yield
        except UserError as error:
            self.add(str(error))

    def stop(self) -> None:
        """Ends the program where something is wrong.

        Raises:
            UserError: The first fault, with the number of the others.
        """
        if not self.messages:
            return
        first, others = self.messages[0], len(self.messages) - 1
        lists = f"; {self.check} lists all" if self.check else ""
        rest = f" (and {others} more fault{'s' * (others > 1)}{lists})" if others else ""
        raise UserError(first + rest)


def _advice(message: str) -> str:
    """What to do about a fault, which is the same for all of its kind."""
    return message.rpartition("; ")[2]
