import re

import matplotlib.colors
import numpy as np
import pytest

from tests.figures.conftest import METHODS, styles_of
from tests.runs_fixture import METHOD_FACTS
from xairank.figures.options import FORMATS
from xairank.figures.style import (
    DOUBLE_COLUMN,
    method_styles,
    new_figure,
    note,
    save,
)
from xairank.schema import MethodFacts


def test_methods_keep_their_order_and_the_colour_they_ask_for():
    facts = {"b": MethodFacts("B"), "a": MethodFacts("A", "#0072B2"), "c": MethodFacts("C", "#123456")}
    styles = method_styles(facts)
    assert list(styles) == ["b", "a", "c"]
    assert [styles[name].color for name in "ac"] == ["#0072B2", "#123456"]
    assert styles["b"].color not in ("#0072B2", "#123456")


@pytest.mark.parametrize("asked", ["", "#0072B2"])
def test_24_methods_have_24_looks(asked):
    facts = {str(number): MethodFacts(str(number), asked if number == 5 else "") for number in range(24)}
    styles = method_styles(facts).values()
    assert len({(style.color, style.hatch) for style in styles}) == 24
    assert len({(style.color, str(style.line)) for style in styles}) == 24


def test_styles_differ_in_colour_marker_line_and_hatch():
    styles = list(styles_of(METHODS).values())
    for attribute in ("label", "color", "marker", "line", "hatch"):
        assert len({str(getattr(style, attribute)) for style in styles}) == len(METHODS)


def test_paper_methods_differ_in_grey():
    """Luma of ITU-R BT.601, as printers use it."""
    styles = method_styles(METHOD_FACTS).values()
    weights = np.array([0.299, 0.587, 0.114])
    greys = np.sort([weights @ matplotlib.colors.to_rgb(style.color) for style in styles])
    assert np.diff(greys).min() > 0.05


def drawn():
    figure = new_figure(DOUBLE_COLUMN, 2)
    figure.add_subplot().plot([0, 1], label="Loss")
    note(figure, "10 seeds. " * 40)
    return figure


def test_save_embeds_truetype_fonts_and_is_the_same_twice(tmp_path):
    files = save(drawn(), tmp_path / "one", FORMATS) + save(drawn(), tmp_path / "two", FORMATS)
    assert [file.name for file in files[:3]] == ["one.pdf", "one.svg", "one.png"]
    pdf = files[0].read_bytes()
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    for one, other in zip(files[:3], files[3:], strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert len(list(tmp_path.iterdir())) == 6


def test_save_keeps_the_size_on_paper(tmp_path):
    (file,) = save(drawn(), tmp_path / "one", ["pdf"])
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+)", file.read_bytes())
    assert [float(side) / 72 for side in box.groups()] == pytest.approx([DOUBLE_COLUMN, 2])
