"""What each question gives the document."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from matplotlib.figure import Figure

from audit.ledger import Decision

Decisions = Mapping[str, Decision]


@dataclass(frozen=True)
class Answer:
    """A section of the document.

    Attributes:
        short: The answer in a sentence, for the abstract.
        text: The answer in a sentence or two for each data set, see :func:`by_data`.
        header: Of the table.
        rows: Of the table, texts.
        figure: The figure, drawn.
        facts: What the verdicts on the paper's sentences need.
    """

    short: str
    text: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    figure: Figure
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def markdown(self) -> str:
        """The table."""
        lines = [_row(self.header), _row(["---"] + ["---:"] * (len(self.header) - 1))]
        return "\n".join([*lines, *map(_row, self.rows)])


# Decides once all questions have registered their tests.
Finish = Callable[[Decisions], Answer]


def by_data(sentences: Iterable[str], *further: str) -> str:
    """A point a data set, and what is true of all."""
    return "\n".join([*(f"- {sentence}" for sentence in sentences), *(f"\n{text}" for text in further)])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', ' ') for cell in cells)} |"
