"""The checks of the layout find what they look for."""

from matplotlib.figure import Figure

from tests.figures.layout import layout_faults


def test_finds_cut_and_overlapping_texts():
    figure = Figure()
    figure.text(0.5, 0.5, "one")
    figure.text(0.51, 0.5, "other")
    figure.text(0.95, 0.9, "beyond the edge")
    assert layout_faults(figure) == ["cut off: 'beyond the edge'", "overlapping: 'one' and 'other'"]


def test_finds_nothing_between_neighbours():
    figure = Figure()
    figure.text(0.1, 0.5, "one")
    figure.text(0.5, 0.5, "other")
    assert layout_faults(figure) == []
