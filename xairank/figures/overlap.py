"""New figures of the overlaps themselves: their distributions, and how they depend on the size of the defect."""

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
    SPLITS,
    MethodStyle,
    new_figure,
    note,
    share_axis,
)

_BESIDE = 4  # methods whose names fit below two panels beside each other
_POINT: dict[str, Any] = {"s": 9, "linewidth": 0.5}


def image_overlaps(scores: pd.DataFrame) -> pd.DataFrame:
    """One row an image and method: ``topk_overlap`` averaged over runs, and ``chance``, the mean of K / N.

    Args:
        scores: ``split``, ``sample``, ``method``, ``topk_overlap``, ``k`` and ``n_pixels``, a row a run, image, method.
    """
    rows = scores.assign(chance=scores["k"] / scores["n_pixels"])
    return rows.groupby(["split", "sample", "method"], as_index=False)[["topk_overlap", "chance"]].mean()


def draw_distribution(scores: pd.DataFrame, styles: Mapping[str, MethodStyle], basis: str) -> Figure:
    """Overlaps by method, every image a point, with the chance level.

    Args:
        scores: As for :func:`image_overlaps`.
        styles: Of the methods, in order.
        basis: The line that says how many runs and images the figure rests on.
    """
    images = image_overlaps(scores)
    splits = [split for split in SPLITS if (images["split"] == split).any()]
    rows = 1 if len(styles) <= _BESIDE else len(splits)
    figure = new_figure(DOUBLE_COLUMN, 0.7 + 2.2 * rows)
    panels = figure.subplots(rows, len(splits) // rows, sharey=True, squeeze=False)
    for axes, split in zip(panels.flat, splits, strict=True):
        shown = images[images["split"] == split]
        _draw_boxes(axes, shown, styles)
        chance = float(shown.drop_duplicates("sample")["chance"].mean())
        axes.axhline(chance, **CHANCE, zorder=5)
        axes.set_title(f"{SPLITS[split]}, {shown['sample'].nunique()} images, chance {chance:.3f}", loc="left")
        share_axis(axes)
    _label_rows(panels)
    handles = [
        Line2D(
            [], [], marker="D", color="black", markerfacecolor="white", linestyle="none", markersize=4, label="Mean"
        ),
        Line2D([], [], **CHANCE, label="Chance: mean of K / N over the images"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
    note(figure, f"Point: one image, averaged over runs. Box: quartiles and median. {basis}")
    return figure


def draw_size(scores: pd.DataFrame, styles: Mapping[str, MethodStyle], basis: str) -> Figure:
    """Overlap against the defect's share of the image, a panel a method, with the chance line.

    Args:
        scores: As for :func:`image_overlaps`.
        styles: Of the methods, in order.
        basis: The line that says how many runs and images the figure rests on.
    """
    images = image_overlaps(scores)
    columns = 2 if len(styles) == 4 else min(len(styles), 3)
    rows = -(-len(styles) // columns)
    figure = new_figure(DOUBLE_COLUMN, 0.8 + 2.0 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    low, high = images["chance"].min() * 0.8, images["chance"].max() * 1.25
    sizes = np.geomspace(low, min(1.0, max(high, 4 * low)), 200)
    for axes, (method, style) in zip(panels.flat, styles.items(), strict=False):
        axes.plot(sizes, sizes, **CHANCE)
        _draw_points(axes, images[images["method"] == method], style)
        axes.set_title(style.label, loc="left")
        axes.set(xscale="log", xlim=(sizes[0], sizes[-1]))
        share_axis(axes)
    _label_rows(panels)
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
        Line2D([], [], **CHANCE, label="Chance: K / N"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    note(figure, f"Point: one image, averaged over runs. {basis}")
    return figure


def _draw_boxes(axes: Axes, images: pd.DataFrame, styles: Mapping[str, MethodStyle]) -> None:
    generator = np.random.default_rng(0)
    for place, (method, style) in enumerate(styles.items()):
        overlaps = images.loc[images["method"] == method, "topk_overlap"].to_numpy()
        jitter = generator.uniform(-0.28, 0.28, len(overlaps))
        axes.scatter(
            place + jitter,
            overlaps,
            marker=style.marker,
            facecolor=style.color,
            edgecolor="white",
            alpha=0.75,
            **_POINT,
        )
        line = {"color": "black", "linewidth": 0.9}
        axes.boxplot(
            overlaps, positions=[place], widths=0.7, showfliers=False, showcaps=False, whis=0, boxprops=line,
            medianprops={"color": "black", "linewidth": 1.6}, whiskerprops={"linewidth": 0},
        )  # fmt: skip
        axes.plot(place, overlaps.mean(), marker="D", color="black", markerfacecolor="white", markersize=4, zorder=6)
    axes.set_xticks(range(len(styles)), [style.label.replace(" ", "\n") for style in styles.values()])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.6, len(styles) - 0.4)


def _draw_points(axes: Axes, images: pd.DataFrame, style: MethodStyle) -> None:
    """Open markers for training images, filled ones for test images."""
    for split in SPLITS:
        shown = images[images["split"] == split]
        face = style.color if split == "test" else "none"
        axes.scatter(
            shown["chance"], shown["topk_overlap"], marker=style.marker, facecolor=face, edgecolor=style.color, **_POINT
        )


def _label_rows(panels: np.ndarray) -> None:
    for axes in panels[:, 0]:
        axes.set_ylabel("Top-K overlap")


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
