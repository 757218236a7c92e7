"""Marks methods that are not shown to beat the controls, and styles those."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from xairank.figures.style import MethodStyle
from xairank.ranking.chance import AT, BELOW
from xairank.ranking.controls import against_controls
from xairank.runs.group import Group
from xairank.schema import MethodFacts

Styles = Mapping[str, MethodStyle]

MARK = "†"
_GREYS = ("0.55", "0.75", "0.4", "0.65", "0.85")


def marked(group: Group, styles: Styles, splits: Iterable[str]) -> tuple[Styles, str]:
    """The styles with a mark behind the labels of methods that do not beat the best control, and what it means.

    Args:
        group: The runs that are shown.
        styles: Of its methods.
        splits: That are shown; a method is marked where it fails in one of them.
    """
    failing: set[str] = set()
    for split in splits:
        found = against_controls(
            group.of_split(split), group.controls_of_split(split), group.metric, group.metric_facts
        )
        failing |= set(found.loc[found["verdict"].isin([AT, BELOW]), "method"])
    if not failing:
        return styles, ""
    shown = {
        name: replace(style, label=f"{style.label}{MARK}") if name in failing else style
        for name, style in styles.items()
    }
    return shown, f" {MARK}: not shown to beat the best control without evidence."


def control_styles(controls: Mapping[str, MethodFacts]) -> dict[str, MethodStyle]:
    """Greys, so that no control looks like a method."""
    return {
        name: MethodStyle(facts.label, _GREYS[place % len(_GREYS)], ".", "-", "")
        for place, (name, facts) in enumerate(controls.items())
    }
