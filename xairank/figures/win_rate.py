"""Figure 7: win rate by class, mean and population standard deviation over seeds, every seed a point."""

import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xairank.figures.style import (
    DOUBLE_COLUMN,
    MethodStyle,
    legend,
    new_figure,
    note,
    set_name,
    share_axis,
)
from xairank.names import count, display_name
from xairank.ranking.wins import OVERALL
from xairank.schema import SPLITS

_GROUP_WIDTH = 0.8
_CHARACTERS = 100  # below one panel


def draw_win_rate(rates: pd.DataFrame, images: pd.Series, styles: Mapping[str, MethodStyle], basis: str) -> Figure:
    """Figure 7.

    Args:
        rates: ``split``, ``label`` ("overall" and the classes), ``method``, ``seed``, ``win_rate`` in [0, 1].
        images: Number of ranked images by (split, label).
        styles: Of the methods, in order.
        basis: The line that says how many runs and images the figure rests on.
    """
    splits = [split for split in SPLITS if (rates["split"] == split).any()]
    labels = [OVERALL, *sorted(set(rates["label"]) - {OVERALL})]
    figure = new_figure(DOUBLE_COLUMN, 0.9 + 1.75 * len(splits))
    for axes, split in zip(figure.subplots(len(splits), squeeze=False)[:, 0], splits, strict=True):
        _draw_split(axes, rates[rates["split"] == split], labels, styles)
        ticks = [f"{_short(label, len(labels))}\n{count(images[split].get(label, 0), 'image')}" for label in labels]
        axes.set_xticks(range(len(labels)), ticks)
        axes.set_title(set_name(split), loc="left")
    legend(figure, styles)
    several = "Bar: mean, whisker: one standard deviation over seeds (cut at 0 and 1), point: one seed. "
    note(figure, (several if rates["seed"].nunique() > 1 else "") + basis)
    return figure


def _draw_split(axes: Axes, rates: pd.DataFrame, labels: list[str], styles: Mapping[str, MethodStyle]) -> None:
    width = _GROUP_WIDTH / len(styles)
    for place, (method, style) in enumerate(styles.items()):
        by_seed = rates[rates["method"] == method].pivot(index="seed", columns="label", values="win_rate")
        centers = np.arange(len(labels)) + (place - (len(styles) - 1) / 2) * width
        _draw_method(axes, centers, width * 0.92, by_seed.reindex(columns=labels), style)
    axes.tick_params(axis="x", length=0)
    axes.set(xlim=(-0.5, len(labels) - 0.5), ylabel="Win rate")
    axes.axvline(0.5, color="0.6", linewidth=0.6)
    share_axis(axes)


def _draw_method(axes: Axes, centers: np.ndarray, width: float, by_seed: pd.DataFrame, style: MethodStyle) -> None:
    """Bars, whiskers and points of one method; ``by_seed`` is seeds by labels."""
    means, deviations = by_seed.mean().to_numpy(), by_seed.std(ddof=0).to_numpy()
    axes.bar(centers, means, width, color=style.color, hatch=style.hatch, edgecolor="white", linewidth=0.4)
    axes.bar(centers, means, width, facecolor="none", edgecolor="black", linewidth=0.5)
    n_seeds = len(by_seed)
    if n_seeds == 1:
        return
    offsets = np.linspace(-0.3, 0.3, n_seeds)[:, None] * width
    axes.scatter(centers + offsets, by_seed, s=5, facecolor="white", edgecolor="black", linewidth=0.4, zorder=3)
    whiskers = np.minimum(deviations, means), np.minimum(deviations, 1 - means)
    axes.errorbar(centers, means, whiskers, fmt="none", ecolor="black", elinewidth=0.8, capsize=2, zorder=4)


def _short(label: str, n_labels: int) -> str:
    """The name in lines that leave room for ``n_labels`` beside each other."""
    return textwrap.fill(display_name(label), _CHARACTERS // n_labels, break_long_words=False)
