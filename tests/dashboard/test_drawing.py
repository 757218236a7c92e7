"""Masks that are drawn."""

import numpy as np
import pytest
from matplotlib.path import Path
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion

pytest.importorskip("plotly")

from xairank.dashboard.drawing import canvas, drawn_mask, mask_of, shapes_after
from xairank.data.images import View
from xairank.errors import UserError

RECTANGLE = {"type": "rect", "x0": 10, "x1": 30, "y0": 40, "y1": 20}
TRIANGLE = {"type": "path", "path": "M50.5,10.25L90,15.5L60,60Z"}


def inside(corners, size):
    """The pixels whose centres a polygon holds."""
    columns, rows = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    return Path(corners).contains_points(np.stack([columns.ravel(), rows.ravel()], axis=1)).reshape(size[1], size[0])


@pytest.mark.parametrize(
    ("shape", "corners"),
    [(RECTANGLE, [(10, 20), (30, 20), (30, 40), (10, 40)]), (TRIANGLE, [(50.5, 10.25), (90, 15.5), (60, 60)])],
)
def test_a_shape_is_its_inside_to_a_pixel_at_its_line(shape, corners):
    found, expected = mask_of([shape], (100, 80)), inside(corners, (100, 80))
    assert found.shape == (80, 100)
    assert found[binary_erosion(expected)].all()
    assert not found[~binary_dilation(expected, np.ones((3, 3)))].any()


def test_several_shapes_are_one_mask():
    both = mask_of([RECTANGLE, TRIANGLE], (100, 80))
    np.testing.assert_array_equal(both, mask_of([RECTANGLE], (100, 80)) | mask_of([TRIANGLE], (100, 80)))


def test_a_drawn_mask_is_seen_as_a_mask_of_a_file():
    seen = drawn_mask([RECTANGLE], (100, 80), View(50, "none"))
    assert seen.shape == (50, 50)
    assert seen.mean() == pytest.approx(mask_of([RECTANGLE], (100, 80)).mean(), abs=0.01)
    assert seen[12, 5]
    assert drawn_mask([], (100, 80), View(50, "none")) is None


def test_all_of_the_image_is_no_mask():
    whole = {"type": "rect", "x0": -5, "x1": 105, "y0": -5, "y1": 85}
    with pytest.raises(UserError, match="covers the whole image"):
        drawn_mask([whole], (100, 80), View(50, "none"))


def test_shapes_follow_what_plotly_tells():
    shapes = shapes_after([], {"shapes": [RECTANGLE]})
    shapes = shapes_after(shapes, {"shapes": [RECTANGLE, TRIANGLE]})
    moved = shapes_after(shapes, {"shapes[0].x0": 12, "shapes[0].x1": 32, "dragmode": "zoom"})
    assert (moved[0]["x0"], moved[0]["x1"], moved[0]["y0"]) == (12, 32, 40)
    assert moved[1] == TRIANGLE
    assert shapes[0] == RECTANGLE
    assert shapes_after(moved, {"autosize": True}) == moved
    assert shapes_after(moved, None) == moved
    assert shapes_after(moved, {"shapes": []}) == []


def test_the_axes_are_the_pixels_of_the_whole_image():
    figure = canvas(Image.new("RGB", (1500, 900)))
    assert (tuple(figure.layout.xaxis.range), tuple(figure.layout.yaxis.range)) == ((0, 1500), (900, 0))
    assert figure.layout.images[0].sizex == 1500
