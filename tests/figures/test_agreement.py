import numpy as np
import pandas as pd
import pytest

from tests.evaluation.test_metric import METRICS
from tests.figures.layout import layout_faults, texts_of
from xairank.evaluation import describe_metrics
from xairank.figures.agreement import draw_agreement

FACTS = describe_metrics(METRICS)


def taus_of(n_metrics):
    names = list(FACTS)[:n_metrics]
    taus = np.random.default_rng(n_metrics).uniform(-1, 1, (n_metrics, n_metrics))
    return pd.DataFrame((taus + taus.T) / 2, index=names, columns=names)


def drawn(taus):
    facts = {name: FACTS[name] for name in taus}
    return draw_agreement(taus, facts, "10 seeds; 1,234 training and 321 test images (300 cases) ranked.")


@pytest.mark.parametrize("n_metrics", [2, 3, 5, len(FACTS)])
def test_every_pair_is_shown_once_and_every_text_has_room(n_metrics):
    taus = taus_of(n_metrics)
    figure = drawn(taus)
    (axes,) = figure.axes
    expected = [taus.iloc[row, column] for row in range(n_metrics) for column in range(row)]
    shown = axes.collections[0].get_array()
    np.testing.assert_array_equal(np.asarray(shown)[~np.ma.getmaskarray(shown)], expected)
    numbers = [text.get_text().replace("\N{MINUS SIGN}", "-") for text in axes.texts]
    assert numbers == [f"{tau:.2f}" for tau in expected]
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels == [FACTS[name].label for name in taus][1:]
    assert layout_faults(figure) == []


def test_the_order_is_that_of_the_facts():
    taus = taus_of(4)
    mixed = taus.iloc[[2, 0, 3, 1], [1, 3, 0, 2]]
    figure = draw_agreement(mixed, {name: FACTS[name] for name in taus}, "1 seed.")
    assert [text.get_text() for text in figure.axes[0].texts] == [text.get_text() for text in drawn(taus).axes[0].texts]


def test_what_no_image_has_is_a_dash_and_zero_has_no_minus():
    taus = taus_of(3)
    taus.iloc[2, 1], taus.iloc[1, 0] = np.nan, -0.001
    numbers = [text.get_text() for text in drawn(taus).axes[0].texts]
    assert numbers[0] == "0.00"
    assert numbers[2] == "\N{EN DASH}"


def test_says_what_it_shows_and_rests_on():
    text = texts_of(drawn(taus_of(5)))
    assert "Kendall's tau" in text
    assert "300 cases" in text
