import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from xairank.figures.slim import slim_svg
from xairank.figures.style import new_figure


@pytest.fixture(scope="module")
def drawn():
    """A figure as matplotlib writes it: a noisy map, a mask, a picture of many colours, and a hatched bar."""
    generator = np.random.default_rng(0)
    figure = new_figure(7, 2)
    panels = figure.subplots(1, 4)
    panels[0].imshow(generator.exponential(1, (64, 64)), interpolation="none")
    panels[1].imshow(generator.random((64, 64)) > 0.5, cmap="gray", interpolation="none")
    panels[2].imshow(generator.integers(0, 256, (64, 64, 3), dtype=np.uint8), interpolation="none")
    panels[3].bar([0, 1], [1, 2], hatch="ooo")
    file = io.StringIO()
    figure.savefig(file, format="svg")
    return file.getvalue()


def pictures(text):
    found = re.findall(r'base64,([^"]+)', text)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one))).convert("RGBA")) for one in found]


def test_every_pixel_stays_and_few_colours_take_less_than_half(drawn):
    smaller = slim_svg(drawn)
    before, after = pictures(drawn), pictures(smaller)
    assert len(before) == 3
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    sizes = [[len(found) for found in re.findall(r'base64,([^"]+)', text)] for text in (drawn, smaller)]
    assert sizes[1][0] < sizes[0][0] / 2
    assert sizes[1][1] < sizes[0][1] / 2
    assert sizes[1][2] == sizes[0][2]


def test_lines_move_by_less_than_a_hundredth_of_a_point(drawn):
    smaller = slim_svg(drawn)
    number = r"-?\d+(?:\.\d+)?"
    before, after = (
        [re.findall(number, path) for path in re.findall(r' d="([^"]+)"', text)] for text in (drawn, smaller)
    )
    assert len(before) > 10
    for one, other in zip(before, after, strict=True):
        np.testing.assert_allclose(np.array(one, float), np.array(other, float), atol=0.00501)
    assert max(len(one.partition(".")[2]) for path in after for one in path) == 2
    assert re.sub(r'( d="|base64,)[^"]+', "", smaller) == re.sub(r'( d="|base64,)[^"]+', "", drawn)


def test_pictures_that_are_seen_through_stay_as_they_are():
    file = io.BytesIO()
    Image.fromarray(np.full((4, 4, 4), 100, np.uint8)).save(file, "PNG")
    text = f'<image href="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"/>'
    assert slim_svg(text) == text
