import pytest
import torch
from scipy.ndimage import gaussian_filter

from tests.evaluation.models import random, square
from xairank.evaluation.fills import FILLS, black, blurred, mean_color

IMAGES = random(2, 3, 24, 32)
ALL = torch.ones(2, 24, 32, dtype=torch.bool)
HOLE = square(24, 32, 4, 6, 9).expand(2, -1, -1)


def test_mean_colour_is_that_of_the_pixels_that_are_left():
    for left in (ALL, ~HOLE):
        expected = IMAGES.flatten(2)[:, :, left[0].flatten()].mean(dim=2)
        torch.testing.assert_close(mean_color(IMAGES, left), expected[:, :, None, None].expand_as(IMAGES))


def test_the_blur_of_a_whole_image_is_that_of_scipy():
    found = blurred(IMAGES, ALL)
    for image, fill in zip(IMAGES.flatten(0, 1), found.flatten(0, 1), strict=True):
        expected = torch.from_numpy(gaussian_filter(image.numpy(), 24 / 16, mode="reflect"))
        torch.testing.assert_close(fill, expected, atol=1e-5, rtol=0)


def test_the_blur_is_the_weighted_mean_of_the_pixels_that_are_left():
    left = ~HOLE
    weights = left[0].double().numpy()
    expected = gaussian_filter(IMAGES[0, 0].numpy() * weights, 1.5) / gaussian_filter(weights, 1.5)
    near = gaussian_filter(weights, 1.5) > 0.01
    found = blurred(IMAGES, left)[0, 0].numpy()
    assert abs(found - expected)[near].max() < 1e-3


@pytest.mark.parametrize("name", FILLS)
def test_what_is_removed_does_not_shine_through(name):
    other = torch.where(HOLE[:, None], 5.0, IMAGES)
    torch.testing.assert_close(FILLS[name](other, ~HOLE), FILLS[name](IMAGES, ~HOLE))


@pytest.mark.parametrize("name", FILLS)
def test_a_fill_is_finite_also_where_nothing_is_left_or_near(name):
    far = torch.zeros_like(ALL)
    far[:, 0, 0] = True
    for left in (torch.zeros_like(ALL), far):
        fill = FILLS[name](IMAGES, left)
        assert fill.shape == IMAGES.shape
        assert bool(((fill >= -1e-9) & (fill <= 1 + 1e-9)).all())


def test_black_is_zero():
    assert not black(IMAGES, ALL).any()
