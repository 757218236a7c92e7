"""Figure 7: win rate by class, mean and population standard deviation over seeds, every seed a point."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xairank.figures.style import (
    DOUBLE_COLUMN,
    SPLITS,
    MethodStyle,
    legend,
    new_figure,
    note,
    share_axis,
)
from xairank.names import display_name

_GROUP_WIDTH = 0.8


def draw_win_rate(rates: pd.DataFrame, images: pd.Series, styles: Mapping[str, MethodStyle], basis: str) -> Figure:
    """Figure 7.

    Args:
        rates: ``split``, ``label`` ("overall" and the classes), ``method``, ``seed``, ``win_rate`` in [0, 1].
        images: Number of ranked images by (split, label).
        styles: Of the methods, in order.
        basis: The line that says how many runs and images the figure rests on.
    """
    splits = [split for split in SPLITS if (rates["split"] == split).any()]
    figure = new_figure(DOUBLE_COLUMN, 0.9 + 1.75 * len(splits))
    for axes, split in zip(figure.subplots(len(splits), squeeze=False)[:, 0], splits, strict=True):
        _draw_split(axes, rates[rates["split"] == split], images[split], styles)
        axes.set_title(SPLITS[split], loc="left")
    legend(figure, styles)
    note(figure, f"Bar: mean, whisker: one standard deviation over seeds (cut at 0 and 1), point: one seed. {basis}")
    return figure


def _draw_split(axes: Axes, rates: pd.DataFrame, images: pd.Series, styles: Mapping[str, MethodStyle]) -> None:
    labels = list(dict.fromkeys(rates["label"]))
    width = _GROUP_WIDTH / len(styles)
    for place, (method, style) in enumerate(styles.items()):
        by_seed = rates[rates["method"] == method].pivot_table(index="seed", columns="label", values="win_rate")
        by_seed = by_seed.reindex(columns=labels)
        centers = np.arange(len(labels)) + (place - (len(styles) - 1) / 2) * width
        _draw_method(axes, centers, width * 0.92, by_seed.to_numpy(), style)
    ticks = [f"{display_name(label)}\n{images[label]} images" for label in labels]
    axes.set_xticks(range(len(labels)), ticks)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.5, len(labels) - 0.5)
    axes.axvline(0.5, color="0.6", linewidth=0.6)
    axes.set_ylabel("Win rate")
    share_axis(axes)


def _draw_method(axes: Axes, centers: np.ndarray, width: float, by_seed: np.ndarray, style: MethodStyle) -> None:
    """Bars, whiskers and points of one method; ``by_seed`` is (seeds, labels)."""
    means, deviations = np.nanmean(by_seed, axis=0), np.nanstd(by_seed, axis=0)
    axes.bar(centers, means, width, color=style.color, hatch=style.hatch, edgecolor="white", linewidth=0.4)
    axes.bar(centers, means, width, facecolor="none", edgecolor="black", linewidth=0.5)
    n_seeds = len(by_seed)
    if n_seeds == 1:
        return
    offsets = np.linspace(-0.3, 0.3, n_seeds)[:, None] * width
    axes.scatter(centers + offsets, by_seed, s=5, facecolor="white", edgecolor="black", linewidth=0.4, zorder=3)
    whiskers = np.minimum(deviations, means), np.minimum(deviations, 1 - means)
    axes.errorbar(centers, means, whiskers, fmt="none", ecolor="black", elinewidth=0.8, capsize=2, zorder=4)
