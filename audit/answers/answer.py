"""What each question gives the document."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from matplotlib.figure import Figure

from audit.ledger import Decision

Decisions = Mapping[str, Decision]


@dataclass(frozen=True)
class Answer:
    """A section of the document.

    Attributes:
        short: The answer in a sentence, for the abstract.
        text: The answer in a paragraph.
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


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', ' ') for cell in cells)} |"
