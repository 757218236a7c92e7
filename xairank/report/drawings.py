"""The figures of a report: drawn as SVG files, each with a caption and a text for who cannot see it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

from xairank.figures.catalog import Figures, list_figures
from xairank.figures.options import Options
from xairank.figures.style import RC, save
from xairank.names import count, display_name
from xairank.progress import Track
from xairank.runs.group import Group
from xairank.runs.sweep import Sweep
from xairank.schema import SPLITS, TEST
from xairank.tables.answer import Answer

FOLDER = "figures"
_FIRST = 3  # methods whose best, median and worst image are shown
_PIXELS = 96  # of CSS, an inch


@dataclass(frozen=True)
class Kind:
    """What a figure shows, by the beginning of its name; and what of an answer is to be seen in it."""

    caption: str
    about: str = ""


KINDS = {
    "overlap_distribution": Kind("Scores of every image, by method, beside chance and the controls", "scores"),
    "critical_difference": Kind("Mean ranks; methods under one bar are not shown to differ by ranks alone", "methods"),
    "pairwise_wins": Kind("Share of the images on which the method of the row beats that of the column", "methods"),
    "figure7_win_rate": Kind("Win rate by class (Figure 7 of the paper)", "methods"),
    "agreement": Kind("How far each two metrics agree on the order of the methods", "metric"),
    "ladder": Kind("Scores of maps that are blurred more and more, and of maps at other layers", "blur"),
    "randomisation": Kind("Scores while the network's weights are re-initialised from the head down", "randomisation"),
    "by_defect": Kind("Scores by size, shape and class of the defect", "defects"),
    "overlap_by_size": Kind("Scores against the size of the defect", "defects"),
    "figure5_curves": Kind("Training curves (Figure 5 of the paper)"),
    "figure6": Kind("An image, its mask and the map of every method (Figure 6 of the paper)"),
    "figure3": Kind("Class activation maps of one image for every class (Figure 3 of the paper)"),
}


@dataclass(frozen=True)
class Drawing:
    """A figure of the report.

    Attributes:
        name: Of the file, without suffix.
        file: Its path within the report.
        kind: Key of :data:`KINDS`.
        caption: One line.
        alternative: What is to be seen, in words.
        width: In CSS pixels.
        height: In CSS pixels.
    """

    name: str
    file: str
    kind: str
    caption: str
    alternative: str
    width: int
    height: int


def draw_all(sweep: Sweep, answers: Sequence[Answer], folder: Path, track: Track) -> tuple[list[Drawing], list[str]]:
    """Draws every figure of a sweep into ``figures/`` of the report's folder.

    Args:
        sweep: The sweep.
        answers: Of its groups and splits.
        folder: Of the report.
        track: Told what is drawn.

    Returns:
        The drawings, and a line for whatever was left out, with the reason.
    """
    split = next((answer.split for answer in answers if answer.split == TEST), next(iter(SPLITS)))
    figures, left_out = list_figures(
        sweep, Options(sweep.folder.name, sweep.folder.parent, None, split, None, ("svg",))
    )
    left_out += _keep_first(figures, answers)
    found = []
    with mpl.rc_context(RC):
        for name, draw in track(figures.items(), len(figures)):
            figure = draw()
            width, height = (round(_PIXELS * inches) for inches in figure.get_size_inches())
            save(figure, folder / FOLDER / name, ("svg",))
            kind = next((kind for kind in KINDS if name.startswith(kind)), "")
            caption, alternative = describe(name, kind, sweep.groups, answers)
            found.append(Drawing(name, f"{FOLDER}/{name}.svg", kind, caption, alternative, width, height))
    return found, left_out


def _keep_first(figures: Figures, answers: Sequence[Answer]) -> list[str]:
    """Takes out Figure 6 of all but the first methods: a picture each of a hundred methods would be all there is."""
    shown = {
        f"figure6_{row['method']}_{place}{answer.group.suffix}"
        for answer in answers
        for row in answer.rows[:_FIRST]
        for place in ("best", "median", "worst")
    }
    others = [name for name in figures if name.startswith("figure6_") and name not in shown]
    for name in others:
        del figures[name]
    return (
        [
            f"Left out {count(len(others), 'drawing')} of Figure 6, of other methods than the first {_FIRST} of each "
            "set; the gallery shows every image, and python -m xairank.figures draws them"
        ]
        if others
        else []
    )


def describe(name: str, kind: str, groups: Sequence[Group], answers: Sequence[Answer]) -> tuple[str, str]:
    """A caption and an alternative text.

    Args:
        name: Of the file.
        kind: Key of :data:`KINDS`.
        groups: Of the sweep.
        answers: Of its groups and splits.
    """
    group = next((group for group in groups if group.suffix and name.endswith(group.suffix)), groups[0])
    own = name.removesuffix(group.suffix)
    shown = KINDS.get(kind, Kind(display_name(own)))
    split = next((split for split in SPLITS if own.endswith(f"_{split}")), "")
    caption = f"{SPLITS[split]} set: {shown.caption[0].lower()}{shown.caption[1:]}" if split else shown.caption
    if kind in ("figure6", "figure3"):
        caption = f"{_choice(own, group)}{shown.caption}"
    caption += f"; {group.name}" if group.name else ""
    texts = [
        text
        for answer in answers
        if answer.group.name == group.name and split in ("", answer.split)
        for text in _words(answer, shown.about)
    ]
    return caption, " ".join([f"{caption}.", *texts])


def _words(answer: Answer, about: str) -> list[str]:
    if about == "scores":
        return [answer.scores]
    return [str(sentence) for sentence in answer.sentences if sentence.about == about]


def _choice(name: str, group: Group) -> str:
    """Which image was chosen, and for which method."""
    found = re.fullmatch(r"figure[36]_(.+?)(?:_(best|median|worst))?", name)
    if not found or found[1] not in group.labels:
        return ""
    place = found[2] or "best"
    return f"{place.capitalize()} image for {group.labels[found[1]]}: "
