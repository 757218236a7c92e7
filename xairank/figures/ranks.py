"""New figures of who beats whom: the critical-difference diagram and the matrix of pairwise wins."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scikit_posthocs import critical_difference_diagram

from xairank.figures.style import DOUBLE_COLUMN, SINGLE_COLUMN, MethodStyle, new_figure, note


def draw_critical_difference(
    ranks: pd.Series, critical_difference: float, styles: Mapping[str, MethodStyle], basis: str
) -> Figure:
    """Mean ranks on a line; a bar joins methods closer than the critical difference (Demsar 2006, Figure 1).

    Args:
        ranks: Mean rank by method, 1 the best.
        critical_difference: Nemenyi's, at 5 %.
        styles: Of the methods, in order.
        basis: The line that says how many runs and images the figure rests on.
    """
    figure = new_figure(DOUBLE_COLUMN, 1.3 + 0.17 * len(ranks))
    axes = figure.add_subplot()
    colors = {styles[method].label: styles[method].color for method in ranks.index}
    named = ranks.rename({method: styles[method].label for method in ranks.index})
    apart = np.abs(np.subtract.outer(named.to_numpy(), named.to_numpy())) > critical_difference
    margin = 0.04 * (len(ranks) - 1)
    critical_difference_diagram(
        named,
        pd.DataFrame(np.where(apart, 0.0, 1.0), index=named.index, columns=named.index),
        ax=axes,
        label_fmt_left="{label} ({rank:.2f}) ",
        label_fmt_right=" {label} ({rank:.2f})",
        color_palette=colors,
        crossbar_props={"color": "black", "linewidth": 2.5},
        elbow_props={"linewidth": 1.1},
        text_h_margin=margin,
    )
    for text in axes.texts:  # orange letters would be hard to read
        text.set_color("black")
    axes.set_xlim(min(1.0, ranks.min() - margin), max(float(len(ranks)), ranks.max() + margin))
    _draw_scale(axes, critical_difference, len(ranks))
    note(figure, f"Mean ranks, 1 is best. Bar: methods closer than the critical difference (Nemenyi, 5 %). {basis}")
    return figure


def pairwise_wins(cases: pd.DataFrame, *, higher_is_better: bool = True) -> pd.DataFrame:
    """Share of cases on which the row's method beats the column's, ties counted half; 0.5 on the diagonal.

    Args:
        cases: Scores, cases by methods.
        higher_is_better: Whether larger scores are better.
    """
    gains = cases if higher_is_better else -cases
    shares = {
        other: [(gains[method].gt(gains[other]) + gains[method].eq(gains[other]) / 2).mean() for method in gains]
        for other in gains
    }
    return pd.DataFrame(shares, index=gains.columns)


def draw_pairwise(wins: pd.DataFrame, styles: Mapping[str, MethodStyle], basis: str) -> Figure:
    """The matrix of :func:`pairwise_wins`, in numbers and shades.

    Args:
        wins: Shares in [0, 1], methods by methods; the diagonal is not shown.
        styles: Of the methods, in order.
        basis: The line that says how many runs and images the figure rests on.
    """
    methods = [method for method in styles if method in wins.index]
    labels = [styles[method].label.replace(" ", "\n") for method in methods]
    figure = new_figure(max(SINGLE_COLUMN, 0.9 + 0.68 * len(methods)), 1.0 + 0.42 * len(methods))
    axes = figure.add_subplot(facecolor="0.92")
    sns.heatmap(
        wins.loc[methods, methods],
        ax=axes,
        mask=np.eye(len(methods), dtype=bool),
        vmin=0,
        vmax=1,
        cmap="Blues",
        annot=True,
        fmt=".2f",
        annot_kws={"fontsize": 9},
        linewidths=1,
        xticklabels=labels,
        yticklabels=labels,
        cbar=False,
    )
    axes.set(xlabel="", ylabel="", title="Share of cases on which the row beats the column")
    axes.tick_params(length=0, rotation=0)
    axes.grid(visible=False)
    note(figure, f"Ties count half. {basis}")
    return figure


def _draw_scale(axes: Axes, critical_difference: float, n: int) -> None:
    """The axis from the best rank to the worst possible, and the length of the critical difference above it."""
    axes.grid(visible=False)
    axes.spines["top"].set(visible=True, bounds=(1, n))
    axes.xaxis.set_ticks(np.arange(1, n + 0.1, 1 if n > 3 else 0.5))
    shown = min(critical_difference, n - 1.0)
    axes.errorbar(1 + shown / 2, 1.7, xerr=shown / 2, color="black", elinewidth=1, capsize=3, capthick=1)
    cut = "" if shown == critical_difference else ", longer than the axis"
    text = f"Critical difference {critical_difference:.2f}{cut}"
    axes.annotate(text, (1 + shown, 1.7), (6, 0), textcoords="offset points", va="center")
