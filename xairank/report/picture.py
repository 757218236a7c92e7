"""The picture of the answer: each method's mean and interval on one scale, with chance and the controls."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

from xairank.figures.style import MethodStyle
from xairank.tables.answer import Answer
from xairank.tables.table import with_interval

_CONTROL = "currentColor"


@dataclass(frozen=True)
class Row:
    """A method or a control; places are percent of the scale's width, limits None where there are none."""

    label: str
    color: str
    is_control: bool
    place: float
    low: float | None
    high: float | None
    text: str


@dataclass(frozen=True)
class Picture:
    """Rows on a scale.

    Attributes:
        label: Of the scale.
        rows: Methods, best first, then controls.
        ticks: Place in percent and text.
        chance: Place of a random map, None where it is not known or the scale does not reach it.
    """

    label: str
    rows: list[Row]
    ticks: list[tuple[float, str]]
    chance: float | None


def picture_of(answer: Answer, styles: Mapping[str, MethodStyle]) -> Picture:
    """The picture of an answer.

    Args:
        answer: Of a group and split.
        styles: Of all methods.
    """
    group, facts = answer.group, answer.group.metric_facts
    labels = group.labels | group.control_labels
    chance = answer.rows[0]["chance"]
    values = [row[name] for row in answer.rows for name in ("score", "score_low", "score_high", "chance")]
    known = [value for value in values if not math.isnan(value)]
    ends = [*known, 0.0] if facts.low == 0 else known
    ticks = MaxNLocator(5).tick_values(min(ends), max(ends))
    low, high = ticks[0], ticks[-1]

    def place(value: float) -> float:
        return round(100 * (value - low) / (high - low), 2)

    rows = [
        Row(
            label=labels[row["method"]],
            color=_CONTROL if row["control"] else styles[row["method"]].color,
            is_control=bool(row["control"]),
            place=place(row["score"]),
            low=None if math.isnan(row["score_low"]) else place(row["score_low"]),
            high=None if math.isnan(row["score_high"]) else place(row["score_high"]),
            text=with_interval(row["score"], row["score_low"], row["score_high"]),
        )
        for row in answer.rows
    ]
    shown = [(place(tick), f"{tick:.6g}") for tick in ticks]
    return Picture(f"Mean {facts.label}", rows, shown, None if math.isnan(chance) else place(chance))
