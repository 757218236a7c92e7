import numpy as np
import pytest
from matplotlib.collections import PathCollection

from tests.figures.conftest import FACTS, METHODS, make_scores, styles_of
from tests.figures.layout import layout_faults, texts_of
from xairank.figures.overlap import draw_distribution, draw_size


def distribution(scores):
    return draw_distribution(scores, "topk_overlap", FACTS, styles_of(scores["method"]), "3 seeds.")


def by_size(scores):
    return draw_size(scores, "topk_overlap", FACTS, styles_of(scores["method"]), "3 seeds.")


def image_means(scores, method, split):
    """Mean overlap of each image over the seeds, in a plain loop."""
    rows = scores[(scores["method"] == method) & (scores["split"] == split)]
    return {sample: np.mean(rows.loc[rows["sample"] == sample, "topk_overlap"]) for sample in rows["sample"].unique()}


def points(axes):
    return [some.get_offsets() for some in axes.collections if isinstance(some, PathCollection)]


def test_every_image_is_a_point_once():
    scores = make_scores(3)
    for axes, split in zip(distribution(scores).axes, ("train", "test"), strict=True):
        for method, shown in zip(METHODS, points(axes), strict=False):
            expected = sorted(image_means(scores, method, split).values())
            np.testing.assert_allclose(np.sort(shown[:, 1]), expected)


def test_boxes_means_and_chance():
    scores = make_scores(3)
    for axes, split in zip(distribution(scores).axes, ("train", "test"), strict=True):
        lines = axes.get_lines()
        medians = [line.get_ydata()[0] for line in lines if line.get_linewidth() == 1.6]
        means = [line.get_ydata()[0] for line in lines if line.get_marker() == "D"]
        values = [list(image_means(scores, method, split).values()) for method in METHODS[:3]]
        np.testing.assert_allclose(medians, np.median(values, axis=1))
        np.testing.assert_allclose(means, np.mean(values, axis=1))
        images = scores[scores["split"] == split].drop_duplicates("sample")
        assert lines[-1].get_ydata()[0] == pytest.approx((images["k"] / images["n_pixels"]).mean())


def test_size_against_overlap_and_the_chance_line():
    scores = make_scores(4)
    sizes = (scores["k"] / scores["n_pixels"]).groupby(scores["sample"]).first()
    for axes, method in zip(by_size(scores).axes, METHODS, strict=False):
        for shown, split in zip(points(axes), ("train", "test"), strict=True):
            expected = {(sizes[sample], mean) for sample, mean in image_means(scores, method, split).items()}
            np.testing.assert_allclose(sorted(map(tuple, shown)), sorted(expected))
        chance = axes.get_lines()[0]
        np.testing.assert_array_equal(chance.get_xdata(), chance.get_ydata())
        low, high = axes.get_xlim()
        assert low <= sizes.min() <= sizes.max() <= high


def test_says_how_many_images_and_the_chance_level():
    text = texts_of(distribution(make_scores(2)))
    assert "Training set, 8 images, chance 0.0" in text
    assert "Test set, 4 images, chance 0.0" in text
    assert "3 seeds." in text


@pytest.mark.parametrize("n_methods", [1, 3, 4, 5, 8, 12, 24])
def test_layout(n_methods):
    scores = make_scores(n_methods)
    assert layout_faults(distribution(scores)) == []
    assert layout_faults(by_size(scores)) == []


def test_layout_with_one_image_and_one_seed():
    scores = make_scores(3, n_images=1, seeds=(42,))
    assert layout_faults(distribution(scores)) == []
    assert layout_faults(by_size(scores)) == []
