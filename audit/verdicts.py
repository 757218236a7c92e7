"""What is left of a sentence: its verdict on the paper's own data and on all real data."""

from collections.abc import Mapping
from typing import NamedTuple

STANDS, PARTLY, SOMETIMES = "stands", "shown on some", "depends on the data"
CHOICE, FALLS, OPEN = "depends on a choice", "does not stand", "cannot be decided"
ORDER = (STANDS, PARTLY, SOMETIMES, CHOICE, FALLS, OPEN)
PAPERS_DATA = "hazelnut"
Holds = Mapping[str, bool | None]


class Claim(NamedTuple):
    """A sentence of the paper.

    Attributes:
        sentence: As the paper has it.
        place: Its section.
        own: What is left of it on hazelnuts, the paper's data.
        verdict: What is left of it on all real data.
        why: In words, with numbers.
    """

    sentence: str
    place: str
    own: str
    verdict: str
    why: str


def place_of(verdict: str) -> int:
    """Where a verdict stands among the others."""
    return next((place for place, known in enumerate(ORDER) if verdict.startswith(known)), len(ORDER))


def over_data(holds: Mapping[str, bool | None]) -> str:
    """The verdict from whether the sentence holds on each data set, None where neither it nor its opposite is shown.

    Example:
        >>> over_data({"a": True, "b": True}), over_data({"a": True, "b": None}), over_data({"a": True, "b": False})
        ('stands', 'shown on some: 1 of 2', 'depends on the data')
        >>> over_data({"a": False, "b": None}), over_data({"a": None}), over_data({})
        ('does not stand', 'cannot be decided', 'cannot be decided')
    """
    values = list(holds.values())
    if False in values:
        return SOMETIMES if True in values else FALLS
    if values and all(values):
        return STANDS
    return f"{PARTLY}: {values.count(True)} of {len(values)}" if True in values else OPEN


def claim(sentence: str, place: str, holds: Holds, why: str) -> Claim:
    """A claim from whether it holds on each data set."""
    own = {data: value for data, value in holds.items() if data == PAPERS_DATA}
    return Claim(sentence, place, over_data(own) if own else "-", over_data(holds), why)
