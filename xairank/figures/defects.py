"""The figure of scores by size, thinness, components and confidence of the defects, and by class."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from xairank.figures.style import CHANCE, DOUBLE_COLUMN, MethodStyle, new_figure, note
from xairank.ranking.parts import CLASS, PROPERTIES
from xairank.schema import MetricFacts

Styles = Mapping[str, MethodStyle]

_COLUMNS = 3
_SPREAD = 0.6  # of the methods beside each other, in distances between parts
_BESIDE = 36  # letters of the parts' names that stand beside each other, in a column
_JOINED = 6  # methods whose lines can be told apart in a small panel


class _Place(NamedTuple):
    """Where a panel is, in rows and columns of the figure."""

    row: int
    columns: slice


def draw_defects(summary: pd.DataFrame, facts: MetricFacts, styles: Styles, basis: str) -> Figure:
    """Mean scores in each part of the defects, a panel a property, with intervals, and chance where it is known.

    Args:
        summary: Of :func:`xairank.ranking.defects.summarize_defects`.
        facts: Of the metric.
        styles: Of the methods, in order.
        basis: The line that says how many runs and images the figure rests on.
    """
    places = _arranged(list(summary["property"].unique()))
    parts = {name: summary[summary["property"] == name] for name in places}
    ticks = {name: _ticks(parts[name], place.columns.stop - place.columns.start) for name, place in places.items()}
    n_rows = 1 + max(place.row for place in places.values())
    figure = new_figure(DOUBLE_COLUMN, _height(n_rows, len(styles), upright=any(map(_is_upright, ticks.values()))))
    grid = figure.add_gridspec(n_rows, _COLUMNS)
    first: Axes | None = None
    for name, place in places.items():
        axes = figure.add_subplot(grid[place.row, place.columns], sharey=first)
        first = first or axes
        _draw_property(axes, parts[name], styles)
        axes.set_xticks(
            range(len(ticks[name])), ticks[name], fontsize=7, rotation=90 if _is_upright(ticks[name]) else 0
        )
        axes.set_title(PROPERTIES[name].label, loc="left")
        if place.columns.start == 0:
            axes.set_ylabel(facts.label)
        else:
            axes.tick_params(labelleft=False)
    assert first is not None
    bottom, top = first.get_ylim()
    first.set_ylim(max(bottom, _limit(facts.low, bottom)), min(top, _limit(facts.high, top)))
    handles = [
        Line2D([], [], color=s.color, linestyle=_line(s, len(styles)), marker=s.marker, markersize=3.5, label=s.label)
        for s in styles.values()
    ]
    if summary["chance"].notna().any():
        handles.append(Line2D([], [], **CHANCE, label="Chance"))
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    note(figure, f"Point: mean, bar: 95 % interval over seeds and images; n: images. {basis}")
    return figure


def _arranged(names: Sequence[str]) -> dict[str, _Place]:
    """Panels in rows; that of the classes, which comes last, takes what is left of its row."""
    places = {}
    for number, name in enumerate(names):
        row, column = divmod(number, _COLUMNS)
        places[name] = _Place(row, slice(column, _COLUMNS if name == CLASS else column + 1))
    return places


def _height(n_rows: int, n_methods: int, *, upright: bool) -> float:
    """In inches: the legend grows by a line for each four methods."""
    of_row = 2.0 if n_methods <= _JOINED else 2.4
    return 0.9 + of_row * n_rows + 0.17 * -(-(n_methods + 1) // 4) + 0.8 * upright


def _draw_property(axes: Axes, summary: pd.DataFrame, styles: Styles) -> None:
    """The methods beside each other in each part; lines of a few methods join parts that have an order."""
    parts = summary.drop_duplicates("part")
    places = pd.Series(range(len(parts)), index=parts["part"])
    ordered = summary["property"].iloc[0] != CLASS
    offsets = _SPREAD * (np.arange(len(styles)) - (len(styles) - 1) / 2) / max(len(styles), 3)
    for offset, (method, style) in zip(offsets, styles.items(), strict=True):
        rows = summary[summary["method"] == method]
        where = rows["part"].map(places) + offset
        line = _line(style, len(styles)) if ordered else "none"
        axes.plot(where, rows["score"], color=style.color, linestyle=line, linewidth=0.9, marker=style.marker, ms=3)
        axes.vlines(where, rows["score_low"], rows["score_high"], color=style.color, linewidth=0.9)
    for place, chance in enumerate(parts["chance"]):
        if not np.isnan(chance):
            axes.plot([place - 0.45, place + 0.45], [chance] * 2, **CHANCE)
    axes.set_xlim(-0.5, len(parts) - 0.5)


def _ticks(summary: pd.DataFrame, n_columns: int) -> list[str]:
    """What stands beneath each part: several lines each or, of many or long names, one line to be read upright."""
    lines = [
        [row["part"], *([row["range"].replace(" to ", "-")] if row["range"] else []), f"n = {row['n_images']}"]
        for row in summary.drop_duplicates("part").to_dict("records")
    ]
    widest = max(len(text) for some in lines for text in some)
    fits = widest * len(lines) <= _BESIDE * n_columns
    return [("\n" if fits else ", ").join(some) for some in lines]


def _is_upright(ticks: Sequence[str]) -> bool:
    return "\n" not in ticks[0]


def _line(style: MethodStyle, n_methods: int) -> Any:  # noqa: ANN401
    """A line's pattern, as matplotlib has it."""
    return style.line if n_methods <= _JOINED else "none"


def _limit(value: float | None, unknown: float) -> float:
    return unknown if value is None else value
