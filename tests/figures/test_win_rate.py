import numpy as np
import pytest

from tests.figures.conftest import METHODS, make_scores, styles_of
from tests.figures.layout import layout_faults, texts_of
from xairank.figures.win_rate import draw_win_rate
from xairank.ranking.wins import count_images, win_rates


def drawn(scores):
    return draw_win_rate(
        win_rates(scores, "topk_overlap"), count_images(scores), styles_of(scores["method"]), "3 seeds."
    )


def brute_force_rates(scores, split, label, method):
    """One win rate a seed, by counting."""
    rates = []
    for _, rows in scores[scores["split"] == split].groupby("seed"):
        shares = []
        for _, image in rows.groupby("sample"):
            if label in ("overall", image["label"].iloc[0]):
                winners = image.loc[image["topk_overlap"] == image["topk_overlap"].max(), "method"].tolist()
                shares.append((method in winners) / len(winners))
        rates.append(np.mean(shares))
    return rates


def test_bars_whiskers_and_points_equal_a_count():
    scores = make_scores(3)
    figure = drawn(scores)
    for axes, split in zip(figure.axes, ("train", "test"), strict=True):
        labels = ["overall", *sorted(scores.loc[scores["split"] == split, "label"].unique())]
        for place, method in enumerate(METHODS[:3]):
            expected = np.array([brute_force_rates(scores, split, label, method) for label in labels])
            bars = axes.containers[3 * place]
            np.testing.assert_allclose([bar.get_height() for bar in bars], expected.mean(axis=1))
            points = axes.collections[2 * place].get_offsets()[:, 1]
            np.testing.assert_allclose(np.sort(points), np.sort(expected.ravel()))
            whiskers = np.array([segment[:, 1] for segment in axes.collections[2 * place + 1].get_segments()])
            spread = expected.mean(axis=1) + np.outer([-1, 1], expected.std(axis=1))
            np.testing.assert_allclose(whiskers, spread.clip(0, 1).T, atol=1e-12)


def test_says_how_many_images_a_class_has():
    scores = make_scores(2)
    text = texts_of(drawn(scores))
    assert "Overall 8 images" in text
    assert "Overall 4 images" in text
    assert "3 seeds." in text


@pytest.mark.parametrize("n_methods", [1, 3, 8])
def test_layout(n_methods):
    assert layout_faults(drawn(make_scores(n_methods))) == []


def with_classes(scores, *names):
    numbers = scores["sample"].factorize()[0] % len(names)
    return scores.assign(label=[names[number] for number in numbers])


def test_layout_with_one_seed_and_with_many_long_classes():
    assert layout_faults(drawn(make_scores(3, seeds=(42,)))) == []
    scores = make_scores(3, n_images=30)
    assert layout_faults(drawn(with_classes(scores, *(f"manipulated_front_{number}" for number in range(10))))) == []


def test_a_class_stands_at_the_same_place_in_both_panels():
    scores = make_scores(3)
    scores = scores[~((scores["split"] == "test") & (scores["label"] == "cut"))]
    figure = drawn(scores)
    assert [axes.get_xticks().tolist() for axes in figure.axes] == [[0, 1, 2, 3, 4]] * 2
    assert "Cut 0 images" in texts_of(figure)
    assert layout_faults(figure) == []


def test_only_the_splits_that_are_there():
    scores = make_scores(3)
    assert len(drawn(scores[scores["split"] == "test"]).axes) == 1
