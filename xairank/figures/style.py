"""How every figure looks: sizes, fonts, and one colour, marker, line and hatch a method in all figures of a sweep."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from xairank.figures.slim import slim_svg
from xairank.files import atomic
from xairank.schema import SPLITS, MethodFacts, MetricFacts

SINGLE_COLUMN, DOUBLE_COLUMN = 3.5, 7.2  # inches
CHANCE: dict[str, Any] = {"color": "0.35", "linestyle": (0, (1, 1.2)), "linewidth": 1.2}

# STIX comes with matplotlib, so a figure is the same on every machine; type 42 embeds it as TrueType, as journals ask.
RC = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "figure.titlesize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "0.88",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.3,
    "hatch.linewidth": 0.5,
    "legend.frameon": False,
    "legend.handlelength": 2.8,
    "figure.facecolor": "white",
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.hashsalt": "xairank",
}

_CHARACTERS_PER_INCH = 18  # of the note's and the titles' letters, on the safe side
# Okabe and Ito's colours (grey for their black), ordered so that neighbours also differ without colour.
_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#777777", "#56B4E9", "#D55E00", "#F0E442")
_MARGIN = 0.03  # of an axis, beyond the limits of a metric
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (3, 3)), (0, (1, 3)))
_HATCHES = ("", "////", "...", "xxxx", "\\\\\\\\", "||||", "----", "ooo")


@dataclass(frozen=True)
class MethodStyle:
    """How one method is drawn, and the name it is shown by."""

    label: str
    color: str
    marker: str
    line: Any
    hatch: str


def method_styles(methods: Mapping[str, MethodFacts]) -> dict[str, MethodStyle]:
    """A style a method, in order: the colour it asks for, or one of those that no method asks for.

    As many methods as there are colours, which ask for none, differ in colour, marker, line and hatch each; more of
    them share a colour and then differ in hatch and line, so that no two methods look the same.
    """
    asked = {facts.color.upper() for facts in methods.values()}
    free = [color for color in _COLORS if color not in asked] or list(_COLORS)
    styles: dict[str, MethodStyle] = {}
    used: set[tuple[str, int]] = set()
    n_free = 0
    for number, (name, facts) in enumerate(methods.items()):
        color = facts.color or free[n_free % len(free)]
        n_free += not facts.color
        places = ((number + step) % len(_HATCHES) for step in range(len(_HATCHES)))
        place = next((place for place in places if (color, place) not in used), number % len(_HATCHES))
        used.add((color, place))
        marker = _MARKERS[(place + number // len(_MARKERS)) % len(_MARKERS)]
        styles[name] = MethodStyle(facts.label, color, marker, _LINES[place], _HATCHES[place])
    return styles


def set_name(split: str) -> str:
    """A split as panels are called: "Training set"."""
    return f"{SPLITS[split]} set"


def new_figure(width: float, height: float, *, images: bool = False) -> Figure:
    """An empty figure, sizes in inches, whose parts are laid out without overlapping; ``images`` are put close."""
    space = 0.01 if images else 0.05
    layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=space, hspace=space, compress=images)
    return Figure(figsize=(width, height), layout=layout)


def note(figure: Figure, text: str) -> None:
    """Writes below everything what the figure shows and rests on, in as many lines as it takes."""
    figure.supxlabel(wrapped(figure, text), fontsize=8, color="0.25")


def wrapped(figure: Figure, text: str) -> str:
    """Text cut into lines that fit the figure's width."""
    width = int(figure.get_figwidth() * _CHARACTERS_PER_INCH)
    return "\n".join(textwrap.fill(line, width, break_on_hyphens=False) for line in text.splitlines())


def legend(figure: Figure, styles: Mapping[str, MethodStyle]) -> None:
    """A legend of the methods above everything, as filled and hatched patches."""
    handles = [Patch(facecolor=s.color, hatch=s.hatch, edgecolor="white", label=s.label) for s in styles.values()]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, handleheight=1.0)


def share_axis(axes: Axes) -> None:
    """Makes the y axis one of shares, from 0 to 1."""
    axes.set_ylim(-_MARGIN, 1 + _MARGIN)


def metric_axis(axes: Axes, facts: MetricFacts) -> None:
    """Makes the y axis one of a metric, as far as its limits are known."""
    if facts.low is not None and facts.high is not None:
        margin = _MARGIN * (facts.high - facts.low)
        axes.set_ylim(facts.low - margin, facts.high + margin)


def save(figure: Figure, path: Path, formats: Sequence[str]) -> list[Path]:
    """Writes the figure once a format, without dates, so that the same runs give the same files.

    Args:
        figure: Drawn with :data:`RC`.
        path: Without a suffix.
        formats: Of pdf, svg, png.

    Returns:
        The files.
    """
    undated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
    files = [path.with_name(f"{path.name}.{suffix}") for suffix in formats]
    with mpl.rc_context(RC):
        figure.draw_without_rendering()  # lays out once, not once a format
        figure.set_layout_engine("none")
        for file, suffix in zip(files, formats, strict=True):
            with atomic(file) as temporary:
                figure.savefig(temporary, format=suffix, metadata=undated[suffix])
                if suffix == "svg":
                    temporary.write_text(slim_svg(temporary.read_text(encoding="utf-8")), encoding="utf-8")
    return files
