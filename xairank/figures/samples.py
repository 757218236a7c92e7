"""Figures of one sample: its maps by every method (Figure 6), and how a class activation map comes about (Figure 3)."""

import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from xairank.explanations.overlay import MAP_COLORS, brightest, overlay
from xairank.figures.style import DOUBLE_COLUMN, MethodStyle, new_figure, note, wrapped
from xairank.names import display_name
from xairank.runs.maps import Maps
from xairank.schema import MetricFacts

PANEL = 1.6  # inches at most
_MOST_COLUMNS = 8  # more methods take more rows
_MASK_GREY = 0.4
_TIMES = "\N{MULTIPLICATION SIGN}"


def draw_sample(
    maps: Maps,
    index: int,
    scores: pd.DataFrame,
    facts: MetricFacts,
    styles: Mapping[str, MethodStyle],
    basis: str,
) -> Figure:
    """Figure 6: image and masks; then a column a method with its map, its top-K pixels and those inside the mask.

    Args:
        maps: Of the run.
        index: The sample's place in ``maps``.
        scores: By method: ``score`` and ``rank`` of this sample in this run.
        facts: Of the metric that decides.
        styles: Of the methods, in order.
        basis: The line that says which run this is.
    """
    methods = [method for method in styles if method in maps.methods]
    columns = min(max(3, len(methods)), _MOST_COLUMNS)
    rows = 1 + 3 * -(-len(methods) // columns)
    size = min(PANEL, (DOUBLE_COLUMN - 0.5) / columns)
    figure = new_figure(DOUBLE_COLUMN, rows * (size + 0.17) + 0.8, images=True)
    panels = figure.subplots(rows, columns)
    for axes in panels.flat:
        _clear(axes)
    mask = maps.masks[index]
    _show(panels[0, 0], maps.images[index], "Input image")
    _show_grey(panels[0, 1], mask, _narrow("Ground-truth mask", size))
    if maps.predicted_masks is not None:
        _show_grey(panels[0, 2], maps.predicted_masks[index], _narrow("Predicted mask", size))
    for number, method in enumerate(methods):
        row, column = 1 + 3 * (number // columns), number % columns
        attribution = maps.maps[index, maps.methods.index(method)]
        topk = topk_pixels(attribution, int(mask.sum()))
        _show_map(
            panels[row, column],
            attribution,
            _narrow(styles[method].label, size),
        )
        _show_grey(panels[row + 1, column], topk, "")
        inside = np.where(topk & mask, 1.0, _MASK_GREY * mask)
        _show_grey(panels[row + 2, column], inside, f"{scores.loc[method, 'score']:.3f}")
    for axes, label in zip(panels[1:, 0], (rows // 3) * ("Attribution", "Top-K pixels", "Top-K in mask"), strict=True):
        axes.set_ylabel(label)
    figure.suptitle(wrapped(figure, sample_title(maps, index, scores.loc[methods], facts, styles)))
    colors = (
        "Maps from zero to their 99.5th percentile. Top-K in mask: the mask in grey, its top-K pixels in white, "
        f"{facts.label} above."
    )
    note(figure, f"{colors} {basis}")
    return figure


def draw_class_activation(maps: Maps, index: int, method: str, styles: Mapping[str, MethodStyle], basis: str) -> Figure:
    """Figure 3: the input, the class activation map, the same upsampled, and the overlay of both.

    Args:
        maps: Of the run, with ``class_activation`` of the method.
        index: The sample's place in ``maps``.
        method: Whose map is the class activation upsampled.
        styles: Of the methods.
        basis: The line that says which run this is.
    """
    activation, attribution = maps.class_activation[method][index], maps.maps[index, maps.methods.index(method)]
    size = (DOUBLE_COLUMN - 0.2) / 4
    figure = new_figure(DOUBLE_COLUMN, size + 0.45, images=True)
    panels = figure.subplots(1, 4)
    for axes in panels:
        _clear(axes)
    height, width = attribution.shape
    _show(panels[0], maps.images[index], "Input image")
    _show_map(panels[1], activation, f"{styles[method].label}, {activation.shape[0]} {_TIMES} {activation.shape[1]}")
    _show_map(panels[2], attribution, f"Upsampled to {height} {_TIMES} {width}")
    _show(panels[3], overlay(maps.images[index], attribution), "Overlay")
    note(figure, f"Sample {maps.samples[index]} | {_prediction(maps, index)} | {basis}")
    return figure


def sample_title(
    maps: Maps, index: int, scores: pd.DataFrame, facts: MetricFacts, styles: Mapping[str, MethodStyle]
) -> str:
    """The paper's title of Figure 6 in two lines, with names for abbreviations and = between tied methods."""
    ranks = scores["rank"]
    by_rank = [[styles[method].label for method in ranks.index[ranks == rank]] for rank in sorted(ranks.unique())]
    places = [" = ".join(tied) for tied in by_rank]
    parts = [
        f"Sample {maps.samples[index]}",
        _prediction(maps, index),
        f"K: {int(maps.masks[index].sum())}",
        f"Winner: {places[0]} ({facts.label} {scores.loc[ranks.idxmin(), 'score']:.3f})",
        f"Ranking: {' > '.join(places)}",
        f"Ranks [{', '.join(styles[method].label for method in ranks.index)}]: [{', '.join(f'{r:g}' for r in ranks)}]",
    ]
    return " | ".join(parts[:4]) + "\n" + " | ".join(parts[4:])


def topk_pixels(attribution: NDArray[np.floating], k: int) -> NDArray[np.bool_]:
    """Exactly ``k`` pixels (H, W) with the highest values, drawn at random, always alike, among tied ones."""
    lottery = np.random.default_rng(0).random(attribution.size)
    order = np.lexsort((lottery, -attribution.ravel().astype(np.float64)))
    chosen = np.zeros(attribution.size, bool)
    chosen[order[:k]] = True
    return chosen.reshape(attribution.shape)


def _narrow(title: str, size: float) -> str:
    """A title in lines that fit a panel of ``size`` inches."""
    return textwrap.fill(title, int(14 * size), break_long_words=False)


def _prediction(maps: Maps, index: int) -> str:
    predicted, label = display_name(maps.predicted[index]), display_name(maps.labels[index])
    if np.isnan(maps.probability[index]):
        return f"Predicted: {predicted} | True: {label}"
    return f"Predicted: {predicted} ({maps.probability[index]:.2%}) | True: {label}"


def _clear(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.grid(visible=False)
    axes.set_box_aspect(1)


def _show(axes: Axes, image: NDArray, title: str) -> None:
    axes.imshow(image, interpolation="none", aspect="auto")
    axes.set_title(title, pad=3)


def _show_grey(axes: Axes, image: NDArray, title: str) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="none", aspect="auto")
    axes.set_title(title, pad=3)


def _show_map(axes: Axes, attribution: NDArray[np.floating], title: str) -> None:
    highest = brightest(attribution) or 1.0
    axes.imshow(attribution, cmap=MAP_COLORS, vmin=0, vmax=highest, interpolation="none", aspect="auto")
    axes.set_title(title, pad=3)
