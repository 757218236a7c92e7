"""The kinds of figure that the document has, in the style of the project's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from xairank.figures.style import CHANCE, DOUBLE_COLUMN, RC, MethodStyle, new_figure
from xairank.ranking.bootstrap import Interval

Styles = Mapping[str, MethodStyle]
NOT_RUN: dict[str, Any] = {"fontsize": 6.5, "color": "0.5"}


@dataclass(frozen=True)
class Panel:
    """Values with intervals: a row a group, in it a point a series.

    Attributes:
        title: Above it.
        groups: The rows, from the top.
        values: By series and group.
        line: Where a dotted line is drawn; NaN for none.
    """

    title: str
    groups: Sequence[str]
    values: Mapping[str, Mapping[str, Interval]]
    line: float = field(default=np.nan)


def draw_panels(
    panels: Sequence[Panel],
    styles: Styles,
    label: str,
    *,
    line: str = "",
    band: Sequence[float] = (),
    apart: bool = True,
) -> Figure:
    """Panels beside each other, with one axis of values.

    Args:
        panels: With the same groups, which stand at the first of them.
        styles: Of the series, in order.
        label: Of the values.
        line: What the dotted line is.
        band: Lower and upper end of a grey band, for none empty.
        apart: Whether several series share a group, so that they stand apart and need a legend.
    """
    with mpl.rc_context({**RC, "axes.grid.axis": "x"}):
        n_groups = max(len(panel.groups) for panel in panels)
        height = 0.9 + n_groups * (max(0.22, 0.1 * len(styles)) if apart else 0.19)
        figure = new_figure(DOUBLE_COLUMN, height)
        for axes, panel in zip(
            figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0], panels, strict=True
        ):
            _draw_panel(axes, panel, styles, apart=apart)
            if len(band):
                axes.axvspan(*band, color="0.85", zorder=0)
        figure.supxlabel(label, fontsize=8.5)
        if apart:
            _legend(figure, styles, line, markers_only=True)
    return figure


def _draw_panel(axes: Axes, panel: Panel, styles: Styles, *, apart: bool) -> None:
    step = 0.8 / max(len(styles), 1) if apart else 0.0
    for number, (series, style) in enumerate(styles.items()):
        is_stroke = style.marker == "|"
        for place, group in enumerate(panel.groups):
            found = panel.values.get(series, {}).get(group)
            if found is None or np.isnan(found.mean):
                continue
            y = place + (number - (len(styles) - 1) / 2) * step
            if not np.isnan(found.low):
                axes.plot([found.low, found.high], [y, y], color=style.color, linewidth=1.1)
            axes.plot(
                found.mean,
                y,
                color=style.color,
                marker=style.marker,
                markersize=6 if is_stroke else 4,
                markeredgecolor=style.color if is_stroke else "white",
                markeredgewidth=1.1 if is_stroke else 0.4,
            )
    if not np.isnan(panel.line):
        axes.axvline(panel.line, **CHANCE)
    for place, group in enumerate(panel.groups):
        if not any(group in own for own in panel.values.values()):
            axes.text(0.98, place, "not run", transform=axes.get_yaxis_transform(), ha="right", va="center", **NOT_RUN)
    axes.set_yticks(range(len(panel.groups)), panel.groups)
    axes.set_ylim(len(panel.groups) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.set_title(panel.title, loc="left")


def draw_curves(
    panels: Mapping[str, pd.DataFrame],
    styles: Styles,
    x_label: str,
    y_label: str,
    *,
    lines: Mapping[str, float] | None = None,
    line: str = "",
    log: bool = False,
) -> Figure:
    """A line a series over levels, with a band, a panel each.

    Args:
        panels: By title, rows with ``level``, ``method``, ``score`` and, if known, ``score_low``, ``score_high``; and
            ``tick``, what stands at a level.
        styles: Of the series.
        x_label: Of the levels.
        y_label: Of the scores.
        lines: By title, where a dotted line is drawn.
        line: What it is.
        log: Whether levels are numbers on a logarithmic axis; otherwise they are steps.
    """
    with mpl.rc_context(RC):
        columns = 2 if len(panels) in (2, 4) else min(3, len(panels))
        rows = -(-len(panels) // columns)
        figure = new_figure(DOUBLE_COLUMN, 0.7 + 1.75 * rows)
        every = figure.subplots(rows, columns, sharey=True, squeeze=False).flatten()
        for axes, (title, table) in zip(every, panels.items(), strict=False):
            _draw_curves(axes, table, styles, log=log)
            axes.set_title(title, loc="left")
            if lines and not np.isnan(lines.get(title, np.nan)):
                axes.axhline(lines[title], **CHANCE)
        for axes in every[len(panels) :]:
            axes.set_visible(False)
        figure.supxlabel(x_label, fontsize=8.5)
        figure.supylabel(y_label, fontsize=8.5)
        _legend(figure, styles, line, lines_only=log)
    return figure


def _draw_curves(axes: Axes, table: pd.DataFrame, styles: Styles, *, log: bool) -> None:
    levels = sorted(table["level"].unique())
    places = {level: level if log else number for number, level in enumerate(levels)}
    for method, style in styles.items():
        rows = table[table["method"] == method].sort_values("level")
        where = rows["level"].map(places).astype(float)
        axes.plot(
            where,
            rows["score"],
            color=style.color,
            linestyle=style.line,
            marker="" if log else style.marker,
            markersize=3,
        )
        if "score_low" in rows and rows["score_low"].notna().any():
            axes.fill_between(where, rows["score_low"], rows["score_high"], color=style.color, alpha=0.13, linewidth=0)
    if log:
        axes.set_xscale("log", base=2)
        ticks_at = [2**power for power in range(int(np.log2(levels[0])), int(np.log2(levels[-1])) + 1)]
        axes.set_xticks(ticks_at, [str(level) for level in ticks_at])
        axes.minorticks_off()
        return
    ticks = table.drop_duplicates("level").sort_values("level")["tick"]
    axes.set_xticks(range(len(levels)), ticks)


def draw_shares(
    groups: Sequence[str], shares: Mapping[str, Sequence[float]], colors: Mapping[str, str], label: str
) -> Figure:
    """Stacked bars that lie, a bar a group.

    Args:
        groups: From the top.
        shares: By part, a number a group.
        colors: By part.
        label: Of the numbers.
    """
    with mpl.rc_context({**RC, "axes.grid.axis": "x"}):
        figure = new_figure(DOUBLE_COLUMN, 0.9 + 0.3 * len(groups))
        axes = figure.subplots()
        left = np.zeros(len(groups))
        for part, values in shares.items():
            axes.barh(
                range(len(groups)), values, left=left, color=colors[part], edgecolor="white", linewidth=0.5, label=part
            )
            left += np.asarray(values)
        axes.set_yticks(range(len(groups)), groups)
        axes.set_ylim(len(groups) - 0.5, -0.5)
        axes.set(xlabel=label, xlim=(0, 1))
        figure.legend(loc="outside upper center", ncols=4)
    return figure


def _legend(figure: Figure, styles: Styles, line: str, *, markers_only: bool = False, lines_only: bool = False) -> None:
    handles = [
        Line2D(
            [],
            [],
            color=s.color,
            linestyle="" if markers_only else s.line,
            marker="" if lines_only else s.marker,
            markersize=4,
            label=s.label,
        )
        for s in styles.values()
    ]
    if line:
        handles.append(Line2D([], [], **CHANCE, label=line))
    figure.legend(handles=handles, loc="outside upper center", ncols=min(5, len(handles)))
