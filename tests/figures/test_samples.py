import numpy as np
import pandas as pd
import pytest

from tests.figures.conftest import METHODS, fake_maps, make_scores
from tests.figures.layout import layout_faults, texts_of
from xairank.figures.samples import draw_gradcam, draw_sample, topk_pixels
from xairank.figures.style import method_styles


def maps_of(n_methods):
    scores = make_scores(n_methods, n_images=4, seeds=(42,)).assign(probability=0.9985)
    return fake_maps(scores.assign(predicted=scores["label"]))


def scores_of(overlaps, ranks):
    methods = METHODS[: len(overlaps)]
    return pd.DataFrame({"topk_overlap": overlaps, "rank": ranks}, index=pd.Index(methods, name="method"))


def drawn(n_methods, index=1):
    scores = scores_of(np.linspace(0.9, 0.1, n_methods), np.arange(1.0, n_methods + 1))
    return draw_sample(maps_of(n_methods), index, scores, method_styles(METHODS[:n_methods]), "Test set, seed 42.")


def pictures(figure):
    """The array of every panel, or None where a panel is empty; in rows of the figure."""
    arrays = [axes.images[0].get_array() if axes.images else None for axes in figure.axes]
    columns = len(arrays) // 4
    return [arrays[row * columns : (row + 1) * columns] for row in range(4)]


@pytest.mark.parametrize("k", [0, 1, 7, 1023, 1024])
def test_topk_has_exactly_k_pixels_and_the_highest(k):
    attribution = np.random.default_rng(0).random((32, 32), dtype=np.float32)
    chosen = topk_pixels(attribution, k)
    assert chosen.sum() == k
    if 0 < k < 1024:
        assert attribution[chosen].min() > attribution[~chosen].max()


def test_topk_of_ties_is_exactly_k_random_pixels_always_alike():
    attribution = np.zeros((64, 64), np.float32)
    attribution[:2] = 1
    chosen = topk_pixels(attribution, 512)
    assert chosen.sum() == 512
    assert chosen[:2].all()
    # By position, the rest would lie in the first rows; at random it spreads over both halves.
    assert 130 < chosen[2:33].sum() < 250
    np.testing.assert_array_equal(chosen, topk_pixels(attribution, 512))


@pytest.mark.parametrize("n_methods", [1, 3, 6])
def test_the_panels_show_the_arrays(n_methods):
    maps, index = maps_of(n_methods), 1
    first, attributions, topk, inside = pictures(drawn(n_methods, index))
    mask = maps.masks[index]
    np.testing.assert_array_equal(first[0], maps.images[index])
    np.testing.assert_array_equal(first[1], mask)
    np.testing.assert_array_equal(first[2], maps.predicted_masks[index])
    for method in range(n_methods):
        np.testing.assert_array_equal(attributions[method], maps.maps[index, method])
        assert topk[method].sum() == mask.sum()
        threshold = np.sort(maps.maps[index, method].ravel())[-mask.sum()]
        np.testing.assert_array_equal(topk[method], maps.maps[index, method] >= threshold)
        np.testing.assert_array_equal(inside[method] == 1, np.asarray(topk[method]) & mask)
        np.testing.assert_array_equal(inside[method] > 0, mask)


def test_twelve_panels_for_three_methods():
    assert sum(array is not None for row in pictures(drawn(3)) for array in row) == 12


def test_title_says_what_the_paper_says():
    scores = scores_of([0.191, 0.036, 0.083], [1.0, 3.0, 2.0])
    maps = maps_of(3)
    figure = draw_sample(maps, 1, scores, method_styles(METHODS[:3]), "Test set, seed 42.")
    text = texts_of(figure)
    k = int(maps.masks[1].sum())
    assert (
        f"Sample cut/001 | Predicted: Cut (99.85%) | True: Cut | K: {k} | Winner: Grad-CAM (top-K overlap 0.191) "
        "Ranking: Grad-CAM > Integrated gradients > Saliency | "
        "Ranks [Grad-CAM, Saliency, Integrated gradients]: [1, 3, 2]"
    ) in text
    assert "Overlap 0.036" in text
    assert "Test set, seed 42." in text


def test_title_of_ties():
    scores = scores_of([0.0, 0.0, 0.1], [2.5, 2.5, 1.0])
    text = texts_of(draw_sample(maps_of(3), 0, scores, method_styles(METHODS[:3]), ""))
    assert "Winner: Integrated gradients (top-K overlap 0.100)" in text
    assert "Ranking: Integrated gradients > Grad-CAM = Saliency" in text
    assert "[2.5, 2.5, 1]" in text


def test_gradcam_shows_the_coarse_map_the_fine_one_and_the_overlay():
    maps = maps_of(3)
    figure = draw_gradcam(maps, 2, "gradcam", method_styles(METHODS[:3]), "Test set, seed 42.")
    image, coarse, fine, overlay = (axes.images[0].get_array() for axes in figure.axes)
    np.testing.assert_array_equal(image, maps.images[2])
    np.testing.assert_array_equal(coarse, maps.class_activation["gradcam"][2])
    np.testing.assert_array_equal(fine, maps.maps[2, 0])
    outside = maps.maps[2, 0] == 0
    np.testing.assert_allclose(overlay[outside], maps.images[2][outside] / 255)
    assert np.abs(overlay[~outside] - maps.images[2][~outside] / 255).mean() > 0.05
    assert overlay.min() >= 0
    assert overlay.max() <= 1
    text = texts_of(figure)
    assert "Grad-CAM, 7 \N{MULTIPLICATION SIGN} 7" in text
    assert "Sample hole/002" in text
    assert layout_faults(figure) == []


@pytest.mark.parametrize("n_methods", [1, 3, 6, 8])
def test_layout(n_methods):
    assert layout_faults(drawn(n_methods)) == []


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_a_constant_map_is_drawn(value):
    maps = maps_of(3)
    maps.maps[1, 0] = value
    figure = draw_sample(maps, 1, scores_of([0.1, 0.2, 0.3], [3.0, 2.0, 1.0]), method_styles(METHODS[:3]), "")
    assert layout_faults(figure) == []
