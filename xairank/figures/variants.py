"""Figures of what becomes of the scores when maps are blurred, made at other layers, or of a randomised network."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from xairank.figures.style import CHANCE, DOUBLE_COLUMN, MethodStyle, metric_axis, new_figure, note
from xairank.schema import SPEARMAN, MetricFacts

Styles = Mapping[str, MethodStyle]


def draw_ladder(
    blurred: pd.DataFrame,
    layers: pd.DataFrame,
    facts: MetricFacts,
    chance: float,
    styles: Styles,
    controls: Styles,
    basis: str,
) -> Figure:
    """Mean scores over the blur of the maps and, where there are methods with a layer, over the stages of the network.

    Args:
        blurred: Of :func:`xairank.ranking.ladder.summarize_levels`, by blur in pixels, 0 first.
        layers: The same by stage; may have no rows.
        facts: Of the metric.
        chance: Its expected value of a random map; NaN where it is not known.
        styles: Of the methods, in order.
        controls: Of the controls, in order.
        basis: The line that says how many runs and images the figure rests on.
    """
    figure = new_figure(DOUBLE_COLUMN, _height(len(styles) + len(controls)))
    panels = figure.subplots(1, 2 if len(layers) else 1, sharey=True, squeeze=False)[0]
    _draw_levels(panels[0], blurred, {**styles, **controls})
    levels = sorted(blurred["level"].unique())
    panels[0].set_xticks(range(len(levels)), [f"{level:g}" for level in levels])
    panels[0].set(xlabel="Blur of the maps: standard deviation in pixels", ylabel=facts.label)
    if len(layers):
        _draw_levels(panels[1], layers, styles)
        names = layers.drop_duplicates("level").sort_values("level")["changed"]
        panels[1].set_xticks(range(len(names)), [_short(name) for name in names])
        panels[1].set(xlabel="Layer of class activation maps, from fine to coarse")
    for axes in panels:
        metric_axis(axes, facts)
        if not np.isnan(chance):
            axes.axhline(chance, **CHANCE)
    _legend(figure, {**styles, **controls}, chance)
    note(figure, f"Point: mean, band: 95 % interval over seeds and images. {basis}")
    return figure


def draw_randomisation(
    curves: pd.DataFrame, metric: str, facts: MetricFacts, chance: float, styles: Styles, basis: str
) -> Figure:
    """The scores, and the likeness to the trained network's maps, as its weights are re-initialised stage by stage.

    Args:
        curves: Of :func:`xairank.ranking.randomisation.randomisation_curves`.
        metric: The measure in it that decides.
        facts: Of the metric.
        chance: Its expected value of a random map; NaN where it is not known.
        styles: Of the methods, in order.
        basis: The line that says how many runs and images the figure rests on.
    """
    figure = new_figure(DOUBLE_COLUMN, _height(len(styles)))
    score, likeness = figure.subplots(1, 2)
    for axes, measure in ((score, metric), (likeness, SPEARMAN)):
        shown = curves[curves["measure"] == measure]
        _draw_levels(axes, shown, styles)
        levels = sorted(shown["level"].unique())
        axes.set_xticks(range(len(levels)), ["trained", *(f"{level:g}" for level in levels[1:])])
        axes.set_xlabel("Stages re-initialised, from the head down")
    metric_axis(score, facts)
    if not np.isnan(chance):
        score.axhline(chance, **CHANCE)
    score.set_ylabel(facts.label)
    likeness.set(ylabel="Rank correlation with the trained maps", ylim=(min(-0.25, *likeness.get_ylim()), 1.03))
    likeness.axhline(0, color="0.6", linewidth=0.6)
    _legend(figure, styles, chance)
    note(figure, f"Point: mean, band: 95 % interval over seeds and images. {basis}")
    return figure


def _height(n_lines: int) -> float:
    """In inches: the legend grows by a line for each four methods."""
    return 2.7 + 0.17 * -(-(n_lines + 1) // 4)


def _draw_levels(axes: Axes, summary: pd.DataFrame, styles: Styles) -> None:
    """A line a method over the levels, evenly spaced, with its interval."""
    places = {level: place for place, level in enumerate(sorted(summary["level"].unique()))}
    for method, style in styles.items():
        rows = summary[summary["method"] == method].sort_values("level")
        where = rows["level"].map(places)
        axes.plot(where, rows["score"], color=style.color, linestyle=style.line, marker=style.marker, markersize=3.5)
        known = rows["score_low"].notna()
        axes.fill_between(
            where[known],
            rows.loc[known, "score_low"],
            rows.loc[known, "score_high"],
            color=style.color,
            alpha=0.13,
            linewidth=0,
        )


def _legend(figure: Figure, styles: Styles, chance: float) -> None:
    handles = [
        Line2D([], [], color=s.color, linestyle=s.line, marker=s.marker, markersize=3.5, label=s.label)
        for s in styles.values()
    ]
    if not np.isnan(chance):
        handles.append(Line2D([], [], **CHANCE, label="Chance"))
    figure.legend(handles=handles, loc="outside upper center", ncols=4)


def _short(layer: str) -> str:
    """The end of a layer's name, where the axis has room for it."""
    parts = layer.split(".")
    return ".".join(parts[-2:]) if len(layer) > 10 else layer
