"""The figure of scores by size, thinness, components and confidence of the defects, and by class."""

from collections.abc import Mapping, Sequence
from typing import Any

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
_BESIDE = 5  # parts whose names stand beside each other
_JOINED = 6  # methods whose lines can be told apart in a small panel


def draw_defects(summary: pd.DataFrame, facts: MetricFacts, styles: Styles, basis: str) -> Figure:
    """Mean scores in each part of the defects, a panel a property, with intervals, and chance where it is known.

    Args:
        summary: Of :func:`xairank.ranking.defects.summarize_defects`.
        facts: Of the metric.
        styles: Of the methods, in order.
        basis: The line that says how many runs and images the figure rests on.
    """
    names = list(summary["property"].unique())
    layout = _arranged(names)
    height = 0.9 + (2.0 if len(styles) <= _JOINED else 2.4) * len(layout) + 0.17 * -(-(len(styles) + 1) // 4)
    figure = new_figure(DOUBLE_COLUMN, height)
    panels = figure.subplot_mosaic(layout, empty_sentinel=".", sharey=True)
    for name in names:
        _draw_property(panels[name], summary[summary["property"] == name], styles)
        panels[name].set_title(PROPERTIES[name].label, loc="left")
    first = panels[names[0]]  # whose axis the others share
    bottom, top = first.get_ylim()
    first.set_ylim(max(bottom, _limit(facts.low, bottom)), min(top, _limit(facts.high, top)))
    for row in layout:
        panels[row[0]].set_ylabel(facts.label)
    handles = [
        Line2D([], [], color=s.color, linestyle=_line(s, len(styles)), marker=s.marker, markersize=3.5, label=s.label)
        for s in styles.values()
    ]
    if summary["chance"].notna().any():
        handles.append(Line2D([], [], **CHANCE, label="Chance"))
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    note(figure, f"Point: mean, bar: 95 % interval over seeds and images; n: images. {basis}")
    return figure


def _arranged(names: Sequence[str]) -> list[list[str]]:
    """Panels in rows; that of the classes takes what is left of the last row, or a row of its own."""
    numbers = [name for name in names if name != CLASS]
    rows = [list(numbers[start : start + _COLUMNS]) for start in range(0, len(numbers), _COLUMNS)]
    if CLASS in names and (not rows or len(rows[-1]) == _COLUMNS):
        rows.append([])
    filler = CLASS if CLASS in names else "."
    return [row + [filler] * (_COLUMNS - len(row)) for row in rows]


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
    labels = ["\n".join(_tick(row)) for row in parts.to_dict("records")]
    if len(parts) > _BESIDE or sum(map(len, parts["part"])) > 40:
        labels = [label.replace("\n", ", ") for label in labels]
        axes.set_xticks(range(len(parts)), labels, rotation=35, ha="right", rotation_mode="anchor", fontsize=7)
    else:
        axes.set_xticks(range(len(parts)), labels, fontsize=7)
    axes.set_xlim(-0.5, len(parts) - 0.5)


def _tick(part: Mapping[Any, Any]) -> list[str]:
    limits = [part["range"].replace(" to ", "–")] if part["range"] else []
    return [part["part"], *limits, f"n = {part['n_images']}"]


def _line(style: MethodStyle, n_methods: int) -> Any:  # noqa: ANN401
    """A line's pattern, as matplotlib has it."""
    return style.line if n_methods <= _JOINED else "none"


def _limit(value: float | None, unknown: float) -> float:
    return unknown if value is None else value
