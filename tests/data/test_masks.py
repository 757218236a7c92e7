"""The reduction of masks, against areas added up pixel by pixel with fractions."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from xairank.data.images import View
from xairank.data.masks import view_mask


def areas(mask, view):
    """The covered share of each pixel of the view, exactly."""
    height, width = mask.shape
    shares = np.empty((view.size, view.size), dtype=object)
    for row, column in itertools.product(range(view.size), repeat=2):
        shares[row, column] = sum(
            (
                overlap(row + view.offset, Fraction(height, view.side), y)
                * overlap(column + view.offset, Fraction(width, view.side), x)
                for y, x in np.argwhere(mask)
            ),
            Fraction(0),
        ) / (Fraction(height, view.side) * Fraction(width, view.side))
    return shares


def overlap(position, scale, pixel):
    """The length that [position, position + 1] * scale has in common with [pixel, pixel + 1]."""
    return max(Fraction(0), min((position + 1) * scale, Fraction(int(pixel) + 1)) - max(position * scale, int(pixel)))


def blobs(height, width, seed):
    generator = np.random.default_rng(seed)
    mask = np.zeros((height, width), bool)
    for _ in range(3):
        row, column = generator.integers(0, height - 3), generator.integers(0, width - 3)
        mask[row : row + generator.integers(1, 5), column : column + generator.integers(1, 5)] = True
    return mask


@pytest.mark.parametrize("crop", ["center", "none"])
@pytest.mark.parametrize(("height", "width"), [(16, 16), (23, 11), (9, 20), (5, 6)])
@pytest.mark.parametrize("seed", range(3))
def test_k_is_the_defects_area_and_its_pixels_are_those_covered_most(height, width, crop, seed):
    mask, view = blobs(height, width, seed), View(7, crop)
    exact = areas(mask, view)
    found = view_mask(mask, view)
    total = exact.sum()
    assert found.mask.sum() == max(round(total), int(total > 0))
    if 0 < found.mask.sum() < found.mask.size:
        assert min(exact[found.mask]) >= max(exact[~found.mask])
    seen = total * Fraction(height * width, view.side**2) / int(mask.sum())
    assert found.lost == pytest.approx(float(1 - seen), abs=1e-6)


@pytest.mark.parametrize("position", [(0, 0), (517, 300), (1023, 1023)])
def test_a_defect_of_one_pixel_survives_where_it_is(position):
    mask = np.zeros((1024, 1024), bool)
    mask[position] = True
    found = view_mask(mask, View(224, "none"))
    assert np.argwhere(found.mask).tolist() == [[length * 224 // 1024 for length in position]]
    assert found.lost == 0


@pytest.mark.parametrize("start", range(5))
@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_thin_line_keeps_its_share_of_the_image(start, width):
    mask = np.zeros((500, 500), bool)
    mask[:, start + 100 : start + 100 + width] = True
    found = view_mask(mask, View(100, "none")).mask  # 5 pixels become one
    touched = len({(start + 100 + column) // 5 for column in range(width)})
    assert found.sum() == round(mask.mean() * 100 * 100)
    assert (found.sum(axis=0) > 0).sum() <= touched


def test_a_mask_of_the_views_size_stays_the_same():
    mask = np.random.default_rng(0).random((64, 64)) < 0.3
    found = view_mask(mask, View(64, "none"))
    assert np.array_equal(found.mask, mask)
    assert found.lost == 0


@pytest.mark.parametrize("factor", [2, 3])
def test_enlarging_by_a_whole_factor_repeats_pixels(factor):
    mask = np.random.default_rng(1).random((20, 20)) < 0.3
    found = view_mask(mask, View(20 * factor, "none")).mask
    assert np.array_equal(found, mask.repeat(factor, axis=0).repeat(factor, axis=1))


@pytest.mark.parametrize("axis", [0, 1])
def test_a_flipped_mask_gives_the_flipped_view(axis):
    mask, view = blobs(23, 17, seed=5), View(14, "center")  # cut alike on both sides
    exact, first = areas(mask, view), view_mask(mask, view).mask
    other = np.flip(view_mask(np.flip(mask, axis), view).mask, axis)
    assert sorted(exact[other]) == sorted(exact[first])  # pixels covered alike may take each other's place


def test_a_defect_outside_the_crop_leaves_an_empty_mask():
    mask = np.zeros((256, 256), bool)
    mask[:10, :10] = True
    found = view_mask(mask, View(224, "center"))
    assert not found.mask.any()
    assert found.lost == 1


def test_a_defect_that_reaches_into_the_crop_by_one_pixel_is_seen():
    mask = np.zeros((256, 256), bool)
    mask[:17, :17] = True
    found = view_mask(mask, View(224, "center"))
    assert np.argwhere(found.mask).tolist() == [[0, 0]]
    assert found.lost == pytest.approx(1 - 1 / 17**2, abs=1e-6)


def test_the_crop_is_that_of_the_image():
    mask = np.zeros((512, 1024), bool)
    mask[40:200, 100:600] = True
    whole = view_mask(mask, View(256, "none")).mask
    assert np.array_equal(view_mask(mask, View(224, "center")).mask, whole[16:240, 16:240])


@pytest.mark.parametrize("shape", [(299, 401), (105, 283), (616, 227)])
def test_without_a_crop_nothing_is_lost_of_any_defect(shape):
    mask = np.zeros(shape, bool)
    mask[shape[0] // 3, shape[1] // 7] = True
    assert view_mask(mask, View(224, "none")).lost == 0
