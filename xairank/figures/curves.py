"""Figure 5: loss and balanced accuracy by epoch, mean and population standard deviation over runs."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter

from xairank.figures.style import DOUBLE_COLUMN, new_figure, note, set_name
from xairank.schema import SPLITS, TEST, TRAIN

_LOOKS: dict[str, dict[str, Any]] = {
    TRAIN: {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    TEST: {"color": "#D55E00", "linestyle": "--", "marker": "s"},
}
_MANY_EPOCHS = 15


def draw_curves(metrics: pd.DataFrame, basis: str) -> Figure:
    """Figure 5.

    Args:
        metrics: A row a run and epoch: ``epoch`` from 0, ``train_loss``, ``test_balanced_accuracy`` and so on.
        basis: The line that says how many runs and images the figure rests on.
    """
    figure = new_figure(DOUBLE_COLUMN, 2.5)
    loss, accuracy = figure.subplots(1, 2)
    _draw_quantity(loss, metrics, "loss")
    _draw_quantity(accuracy, metrics, "balanced_accuracy")
    _scale_loss(loss)
    accuracy.set(ylim=(-0.02, 1.02), ylabel="Balanced accuracy")
    handles, labels = loss.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    several = "Line: mean, band: one standard deviation over runs. "
    note(figure, (several if metrics["epoch"].duplicated().any() else "") + basis)
    return figure


def _draw_quantity(axes: Axes, metrics: pd.DataFrame, quantity: str) -> None:
    columns = [f"{split}_{quantity}" for split in SPLITS]
    over_runs = metrics.groupby("epoch")[columns]
    means, deviations = over_runs.mean(), over_runs.std(ddof=0)
    epochs = means.index.to_numpy() + 1
    # A band may reach below zero, where a logarithmic axis has no place; it then ends at the axis.
    floor = 1e-9 if quantity == "loss" else 0.0
    every = max(1, len(epochs) // _MANY_EPOCHS)
    for split, column in zip(SPLITS, columns, strict=True):
        look = _LOOKS[split]
        mean, deviation = means[column].to_numpy(), deviations[column].to_numpy()
        axes.plot(epochs, mean, label=set_name(split), markersize=3, markevery=every, **look)
        low, high = np.maximum(mean - deviation, floor), mean + deviation
        axes.fill_between(epochs, low, high, color=look["color"], alpha=0.18, linewidth=0)
    axes.set(xlabel="Epoch", xlim=(0.5, epochs[-1] + 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, min_n_ticks=1))


def _scale_loss(axes: Axes) -> None:
    """A logarithmic axis of whole decades: early test losses reach hundreds of times the last ones."""
    means = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.get_lines()])
    low = np.floor(np.log10(means[means > 0].min(initial=1.0)))
    high = np.ceil(np.log10(max(axes.dataLim.ymax, 10 ** (low + 1))))
    axes.set(yscale="log", ylim=(10**low, 10**high), ylabel="Total loss (log scale)")
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
