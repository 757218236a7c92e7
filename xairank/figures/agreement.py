"""New figure of how far metrics agree: Kendall's tau between each two of them, in numbers and shades."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from xairank.figures.style import SINGLE_COLUMN, new_figure, note, wrapped
from xairank.schema import MetricFacts


def draw_agreement(taus: pd.DataFrame, facts: Mapping[str, MetricFacts], basis: str) -> Figure:
    """The lower half of the matrix of taus; a dash where no image has one.

    Args:
        taus: In [-1, 1], metrics by metrics, as of :func:`xairank.ranking.agreement.tau_matrix`; two metrics or more.
        facts: Of the metrics, by name in order.
        basis: The line that says how many runs and images the figure rests on.
    """
    names = list(facts)
    rows, columns = names[1:], names[:-1]
    figure = new_figure(max(SINGLE_COLUMN, 1.4 + 0.62 * len(columns)), 1.2 + 0.36 * len(rows))
    axes = figure.add_subplot()
    shown = taus.loc[rows, columns]
    hidden = np.triu(np.ones(shown.shape, dtype=bool), 1)
    sns.heatmap(
        shown.fillna(0.0),
        ax=axes,
        mask=hidden,
        vmin=-1,
        vmax=1,
        cmap="RdBu",
        annot=shown.map(_number),
        fmt="",
        annot_kws={"fontsize": 9},
        linewidths=1,
        xticklabels=[_in_lines(facts[name].label) for name in columns],
        yticklabels=[facts[name].label for name in rows],
        cbar=False,
    )
    axes.set(xlabel="", ylabel="")
    figure.suptitle(wrapped(figure, "Do metrics put the methods in the same order? Kendall's tau"))
    axes.tick_params(length=0, rotation=0)
    axes.grid(visible=False)
    note(figure, f"Mean over images and seeds: 1 the same order, 0 no relation, \N{MINUS SIGN}1 the reverse. {basis}")
    return figure


def _number(tau: float) -> str:
    if np.isnan(tau):
        return "\N{EN DASH}"
    return f"{round(tau, 2) + 0.0:.2f}".replace("-", "\N{MINUS SIGN}")  # no minus before zero


def _in_lines(label: str) -> str:
    """A word a line, also of those with a hyphen, which a column has too little room for."""
    parts = [part.replace("-", "-\n") if len(part) > 9 else part for part in label.split()]
    return "\n".join(parts)
