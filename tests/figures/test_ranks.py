import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from tests.figures.conftest import METHODS, styles_of
from tests.figures.layout import layout_faults, texts_of
from xairank.figures.ranks import draw_critical_difference, draw_pairwise, pairwise_wins


def diagram(ranks, critical_difference):
    ranks = pd.Series(dict(zip(METHODS, ranks, strict=False)))
    return draw_critical_difference(ranks, critical_difference, styles_of(ranks.index), "10 seeds; 16 test images.")


def joined(figure):
    """The ends of the bars that join methods."""
    bars = [line for line in figure.axes[0].get_lines() if line.get_linewidth() == 2.5]
    return sorted((min(bar.get_xdata()), max(bar.get_xdata())) for bar in bars)


@pytest.mark.parametrize(
    ("ranks", "critical_difference", "bars"),
    [
        ([1.1, 2.9, 2.0], 0.8, []),
        ([1.1, 2.9, 2.0], 0.95, [(1.1, 2.0), (2.0, 2.9)]),
        ([1.1, 2.9, 2.0], 1.9, [(1.1, 2.9)]),
        ([1.0, 2.0], 0.5, []),
        ([1.4, 1.6], 0.5, [(1.4, 1.6)]),
        ([1.0, 3.1, 2.9, 3.0], 0.83, [(2.9, 3.1)]),
    ],
)
def test_bars_join_what_is_closer_than_the_critical_difference(ranks, critical_difference, bars):
    assert joined(diagram(ranks, critical_difference)) == bars


def test_marks_and_labels_are_the_mean_ranks():
    figure = diagram([1.125, 2.875, 2.0], 0.83)
    markers = [some for some in figure.axes[0].collections if isinstance(some, PathCollection)]
    marks = sorted(float(marker.get_offsets()[0, 0]) for marker in markers)
    assert marks == [1.125, 2.0, 2.875]
    text = texts_of(figure)
    assert "Saliency (2.88)" in text
    assert "Critical difference 0.83" in text
    assert "16 test images" in text


def test_the_ruler_is_as_long_as_the_critical_difference():
    (ruler,) = diagram([1.1, 2.9, 2.0], 0.83).axes[0].containers
    (segment,) = ruler.lines[2][0].get_segments()
    assert segment[:, 0] == pytest.approx([1, 1.83])


def test_a_critical_difference_beyond_the_axis_is_said():
    assert "longer than the axis" in texts_of(diagram([1.2, 1.8], 1.5))


@pytest.mark.parametrize("n_methods", [2, 3, 6, 8])
@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_layout_of_the_diagram(n_methods, spread):
    middle = (n_methods + 1) / 2
    ranks = middle + spread * (np.arange(1, n_methods + 1) - middle)
    assert layout_faults(diagram(ranks, 1.2)) == []


def test_pairwise_wins_count_ties_half():
    images = pd.DataFrame(np.random.default_rng(0).integers(0, 4, (40, 3)) / 4, columns=METHODS[:3])
    wins = pairwise_wins(images)
    for method in images:
        for other in images:
            points = [
                1.0 if a > b else 0.5 if a == b else 0.0 for a, b in zip(images[method], images[other], strict=True)
            ]
            assert wins.loc[method, other] == pytest.approx(np.mean(points))


def wins_of(n_methods):
    shares = np.random.default_rng(n_methods).random((n_methods, n_methods))
    shares = np.triu(shares, 1) + np.tril(1 - shares.T, -1)
    return pd.DataFrame(shares, index=METHODS[:n_methods], columns=METHODS[:n_methods])


@pytest.mark.parametrize("n_methods", [2, 3, 6, 8])
def test_matrix_shows_every_share_but_the_diagonal(n_methods):
    wins = wins_of(n_methods)
    shuffled = wins.sample(frac=1, random_state=0)
    figure = draw_pairwise(shuffled, styles_of(METHODS[:n_methods]), "10 seeds; 54 training images.")
    shown = figure.axes[0].collections[0].get_array()
    np.testing.assert_array_equal(
        np.asarray(shown)[~np.ma.getmaskarray(shown)], wins.to_numpy()[~np.eye(n_methods, dtype=bool)]
    )
    numbers = [text.get_text() for text in figure.axes[0].texts]
    assert numbers == [f"{share:.2f}" for share in wins.to_numpy()[~np.eye(n_methods, dtype=bool)]]
    assert layout_faults(figure) == []
