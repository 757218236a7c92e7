"""New figures of the scores themselves: their distributions, and how they depend on the size of the defect."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from xairank.figures.style import (
    CHANCE,
    DOUBLE_COLUMN,
    MethodStyle,
    metric_axis,
    new_figure,
    note,
    set_name,
)
from xairank.names import count
from xairank.ranking.chance import knows_chance
from xairank.schema import SPLITS, TEST, MetricFacts, chance_column

_BESIDE = 4  # methods whose names fit below two panels beside each other
_UPRIGHT = 8  # methods whose names fit below one panel
_POINT: dict[str, Any] = {"s": 9, "linewidth": 0.5}


def image_means(scores: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row an image and method, averaged over runs: ``score``; ``size``, K / N; ``chance``, NaN where not known.

    Args:
        scores: ``split``, ``sample``, ``method``, ``k``, ``n_pixels`` and the metric, a row a run, image and method.
        metric: The column that is shown.
    """
    chance = scores[chance_column(metric)] if knows_chance(scores, metric) else np.nan
    rows = scores.assign(score=scores[metric], size=scores["k"] / scores["n_pixels"], chance=chance)
    return rows.groupby(["split", "sample", "method"], as_index=False)[["score", "size", "chance"]].mean()


def draw_distribution(
    scores: pd.DataFrame,
    metric: str,
    facts: MetricFacts,
    styles: Mapping[str, MethodStyle],
    basis: str,
    controls: Mapping[str, MethodStyle] | None = None,
) -> Figure:
    """Scores by method, every image a point, with the chance level where it is known; the controls behind a line.

    Args:
        scores: As for :func:`image_means`.
        metric: The column that is shown.
        facts: Of the metric.
        styles: Of the methods, in order.
        basis: The line that says how many runs and images the figure rests on.
        controls: Styles of the controls, in order.
    """
    images = image_means(scores, metric)
    n_methods, styles = len(styles), {**styles, **(controls or {})}
    splits = [split for split in SPLITS if (images["split"] == split).any()]
    rows = 1 if len(styles) <= _BESIDE else len(splits)
    figure = new_figure(DOUBLE_COLUMN, 0.7 + 2.2 * rows)
    panels = figure.subplots(rows, len(splits) // rows, sharey=True, squeeze=False)
    for axes, split in zip(panels.flat, splits, strict=True):
        shown = images[images["split"] == split]
        _draw_boxes(axes, shown, styles)
        if len(styles) > n_methods:
            axes.axvline(n_methods - 0.5, color="0.5", linewidth=0.6)
            axes.text(n_methods - 0.4, 0.98, "Controls", transform=axes.get_xaxis_transform(), va="top", color="0.35")
        chance = float(shown.drop_duplicates("sample")["chance"].mean())
        title = f"{set_name(split)}, {count(shown['sample'].nunique(), 'image')}"
        if not np.isnan(chance):
            axes.axhline(chance, **CHANCE, zorder=5)
            title += f", chance {chance:.3f}"
        axes.set_title(title, loc="left")
        metric_axis(axes, facts)
    _label_rows(panels, facts.label)
    handles = [
        Line2D(
            [], [], marker="D", color="black", markerfacecolor="white", linestyle="none", markersize=4, label="Mean"
        ),
    ]
    if images["chance"].notna().any():
        handles.append(Line2D([], [], **CHANCE, label="Chance: mean over the images"))
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
    note(figure, f"Point: one image, averaged over runs. Box: quartiles and median. {basis}")
    return figure


def draw_size(
    scores: pd.DataFrame, metric: str, facts: MetricFacts, styles: Mapping[str, MethodStyle], basis: str
) -> Figure:
    """Scores against the defect's share of the image, a panel a method, with chance where it is known.

    Args:
        scores: As for :func:`image_means`.
        metric: The column that is shown.
        facts: Of the metric.
        styles: Of the methods, in order.
        basis: The line that says how many runs and images the figure rests on.
    """
    images = image_means(scores, metric)
    columns = 2 if len(styles) == 4 else min(len(styles), 3)
    rows = -(-len(styles) // columns)
    figure = new_figure(DOUBLE_COLUMN, 0.8 + 2.0 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    low, high = images["size"].min() * 0.8, images["size"].max() * 1.25
    limits = (low, min(1.0, max(high, 4 * low)))
    chance = images.dropna(subset="chance").drop_duplicates(["split", "sample"]).sort_values("size")
    for axes, (method, style) in zip(panels.flat, styles.items(), strict=False):
        if len(chance):
            axes.plot(chance["size"], chance["chance"], **CHANCE)
        _draw_points(axes, images[images["method"] == method], style)
        axes.set_title(style.label, loc="left")
        axes.set(xscale="log", xlim=limits)
        metric_axis(axes, facts)
    _label_rows(panels, facts.label)
    _label_sizes(panels, len(styles))
    handles = [
        Line2D(
            [],
            [],
            linestyle="none",
            marker="o",
            color="0.3",
            markerfacecolor="none",
            markersize=4,
            label="Training image",
        ),
        Line2D([], [], linestyle="none", marker="o", color="0.3", markersize=4, label="Test image"),
    ]
    if len(chance):
        handles.append(Line2D([], [], **CHANCE, label="Chance"))
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    note(figure, f"Point: one image, averaged over runs. {basis}")
    return figure


def _draw_boxes(axes: Axes, images: pd.DataFrame, styles: Mapping[str, MethodStyle]) -> None:
    generator = np.random.default_rng(0)
    for place, (method, style) in enumerate(styles.items()):
        values = images.loc[images["method"] == method, "score"].to_numpy()
        jitter = generator.uniform(-0.28, 0.28, len(values))
        axes.scatter(
            place + jitter,
            values,
            marker=style.marker,
            facecolor=style.color,
            edgecolor="white",
            alpha=0.75,
            **_POINT,
        )
        line = {"color": "black", "linewidth": 0.9}
        axes.boxplot(
            values, positions=[place], widths=0.7, showfliers=False, showcaps=False, whis=0, boxprops=line,
            medianprops={"color": "black", "linewidth": 1.6}, whiskerprops={"linewidth": 0},
        )  # fmt: skip
        axes.plot(place, values.mean(), marker="D", color="black", markerfacecolor="white", markersize=4, zorder=6)
    if len(styles) <= _UPRIGHT:
        axes.set_xticks(range(len(styles)), [style.label.replace(" ", "\n") for style in styles.values()])
    else:
        axes.set_xticks(range(len(styles)), [style.label for style in styles.values()], rotation=90)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.6, len(styles) - 0.4)


def _draw_points(axes: Axes, images: pd.DataFrame, style: MethodStyle) -> None:
    """Open markers for training images, filled ones for test images."""
    for split in SPLITS:
        shown = images[images["split"] == split]
        face = style.color if split == TEST else "none"
        axes.scatter(
            shown["size"], shown["score"], marker=style.marker, facecolor=face, edgecolor=style.color, **_POINT
        )


def _label_rows(panels: np.ndarray, label: str) -> None:
    for axes in panels[:, 0]:
        axes.set_ylabel(label)


def _label_sizes(panels: np.ndarray, n_used: int) -> None:
    """Ticks and label of the horizontal axes, at the lowest panel in use of each column."""
    for place, axes in enumerate(panels.flat):
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        if place >= n_used:
            axes.set_axis_off()
        elif place + panels.shape[1] >= n_used:
            axes.set_xlabel("Defect size K / N (log scale)")
            axes.tick_params(labelbottom=True)
