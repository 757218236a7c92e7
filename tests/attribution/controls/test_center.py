import math

import pytest
import torch

from xairank.attribution.controls import Center


def test_the_map_is_the_gaussian_of_its_formula():
    image = torch.rand(2, 3, 6, 9)
    maps = Center(width=0.25).from_images(image)
    assert maps.shape == (2, 6, 9)
    for row, column in ((0, 0), (2, 4), (5, 8)):
        y, x = (row + 0.5) / 6 - 0.5, (column + 0.5) / 9 - 0.5
        expected = math.exp(-(y * y + x * x) / (2 * 0.25**2))
        assert maps[1, row, column].item() == pytest.approx(expected, rel=1e-6)


def test_images_do_not_matter():
    assert torch.equal(Center().from_images(torch.zeros(1, 3, 8, 8)), Center().from_images(torch.rand(1, 3, 8, 8)))


@pytest.mark.parametrize("width", [0, -1, "wide", True])
def test_a_width_that_is_none_is_named(width):
    with pytest.raises(ValueError, match=f"width={width} is not allowed"):
        Center(width=width)
