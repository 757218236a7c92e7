import numpy as np
import pytest

from xairank.explanations.overlay import SIDE, brightest, overlay, picture

GREY = np.full((SIDE, SIDE, 3), 100, np.uint8)


def ramp():
    return np.linspace(0, 1, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE)


def test_a_map_of_zeros_leaves_the_image_as_it_is():
    np.testing.assert_array_equal(picture(GREY, np.zeros((SIDE, SIDE), np.float32), 0.0), GREY)


def test_the_highest_value_has_the_brightest_colour_over_a_fifth_of_the_image():
    shown = np.asarray(picture(GREY, np.ones((SIDE, SIDE), np.float32), 1.0))
    brightest_of_magma = np.array([252, 253, 191])  # matplotlib's documented last entry
    np.testing.assert_allclose(shown[0, 0], 0.8 * brightest_of_magma + 0.2 * 100, atol=1)


def test_values_above_the_scale_saturate_and_negative_ones_are_nothing():
    attribution = np.where(ramp() > 0.5, 7.0, -3.0).astype(np.float32)
    shown = overlay(GREY, attribution, 1.0)
    np.testing.assert_array_equal(shown, overlay(GREY, (attribution > 0).astype(np.float32), 1.0))
    np.testing.assert_allclose(shown[0, 0], 100 / 255)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0] * 1000, 0.0),  # nothing
        ([0.0] * 999 + [4.0], 4.0),  # the quantile is 0: a single peak still shows
        ([-1.0] * 1000, 0.0),
        (list(range(1001)), 995.0),
    ],
)
def test_the_brightest_value_is_a_quantile_that_ignores_single_peaks(values, expected):
    assert brightest(np.array(values, np.float32)) == pytest.approx(expected)


@pytest.mark.parametrize("ground", [0, 255])
def test_the_outline_lies_outside_the_mask_and_shows_on_dark_and_bright(ground):
    image = np.full((SIDE, SIDE, 3), ground, np.uint8)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[100:140, 200:260] = True
    shown = np.asarray(picture(image, np.zeros((SIDE, SIDE), np.float32), 1.0, mask)).astype(int)
    assert (shown[100:140, 200:260] == ground).all()
    assert shown[99, 230].tolist() == [255] * 3
    assert shown[98, 230].tolist() == [0] * 3
    changed = (shown != ground).any(axis=2)
    assert 0 < changed.sum() < 2 * (2 * (40 + 60) + 16)
    assert not changed[:98].any()


def test_a_small_view_is_enlarged_with_its_outline_one_pixel_thin():
    mask = np.zeros((64, 64), bool)
    mask[10:20, 30:40] = True
    shown = picture(np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.float32), 1.0, mask)
    assert shown.size == (448, 448)
    white = np.asarray(shown)[..., 0] == 255
    assert white.sum() == 4 * 10 * 7


def test_an_empty_mask_has_no_outline():
    mask = np.zeros((SIDE, SIDE), bool)
    assert picture(GREY, ramp(), 1.0, mask).tobytes() == picture(GREY, ramp(), 1.0).tobytes()


def test_the_outline_of_a_mask_at_the_border_is_closed():
    mask = np.zeros((SIDE, SIDE), bool)
    mask[300:] = True  # the lower part: an open line would not say which side is meant
    shown = np.asarray(picture(GREY, np.zeros((SIDE, SIDE), np.float32), 1.0, mask))[..., 0]
    for line in (shown[299], shown[300:, 0], shown[300:, -1], shown[-1]):
        assert (line == 255).all()
    for line in (shown[298, 1:-1], shown[300:-1, 1], shown[300:-1, -2], shown[-2, 1:-1]):
        assert (line == 0).all()
    assert (shown[300:-2, 2:-2] == 100).all()
    assert (shown[:298] == 100).all()
