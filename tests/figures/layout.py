"""Looks at a figure as a reader does: is every text inside the canvas, and apart from every other text?"""

from itertools import combinations
from unittest.mock import patch

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

TOLERANCE = 1.0  # pixels, at 100 an inch


def drawn_texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """The texts that are really drawn, with their boxes in pixels."""
    canvas = FigureCanvasAgg(figure)
    found: list[tuple[str, Bbox]] = []
    draw = Text.draw

    def record(self, renderer):
        if self.get_visible() and self.get_text().strip():
            found.append((self.get_text(), self.get_window_extent(renderer)))
        return draw(self, renderer)

    with patch.object(Text, "draw", record):
        canvas.draw()
    return found


def layout_faults(figure: Figure) -> list[str]:
    """What a designer would send back: texts cut off by the edge, and texts over texts."""
    texts = drawn_texts(figure)
    assert texts
    width, height = figure.bbox.size
    faults = [
        f"cut off: {text!r}"
        for text, box in texts
        if box.x0 < -TOLERANCE or box.y0 < -TOLERANCE or box.x1 > width + TOLERANCE or box.y1 > height + TOLERANCE
    ]
    for (one, first), (other, second) in combinations(texts, 2):
        wide = min(first.x1, second.x1) - max(first.x0, second.x0)
        high = min(first.y1, second.y1) - max(first.y0, second.y0)
        if wide > TOLERANCE and high > TOLERANCE:
            faults.append(f"overlapping: {one!r} and {other!r}")
    return faults


def texts_of(figure: Figure) -> str:
    """All drawn texts, one a line, line breaks within a text as spaces."""
    return "\n".join(text.replace("\n", " ") for text, _ in drawn_texts(figure))
