"""In which order a report shows tables and figures."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from xairank.report.drawings import Drawing
from xairank.tables.table import Table


@dataclass(frozen=True)
class Section:
    """A part of the page: its anchor, its title, a short one for the list of parts, and what it holds."""

    name: str
    short: str
    title: str
    tables: list[Table] = field(default_factory=list)
    drawings: list[Drawing] = field(default_factory=list)


_DEPENDS = "depends"
# Anchor: short title, title, tables by name, figures by kind, in order.
_PLAN: dict[str, tuple[str, str, tuple[str, ...], tuple[str, ...]]] = {
    "ranking": (
        "Ranking",
        "How the methods rank",
        ("ranking", "statistics"),
        ("overlap_distribution", "critical_difference", "pairwise_wins"),
    ),
    "wins": ("Wins", "How often each method wins", ("win_rate_test", "win_rate_train"), ("figure7_win_rate",)),
    _DEPENDS: (
        "Depends on",
        "What the ranking depends on",
        ("agreement", "by_defect", "ladder", "layers", "randomisation"),
        ("agreement", "by_defect", "overlap_by_size", "ladder", "randomisation"),
    ),
    "examples": ("Examples", "Examples", (), ("figure6", "figure3")),
    "training": ("Models", "How well the models do", ("performance",), ("figure5_curves",)),
    "origin": ("Origin", "Where the numbers come from", ("origin", "excluded", "hyperparameters"), ()),
}


def in_sections(tables: Sequence[Table], drawings: Sequence[Drawing]) -> list[Section]:
    """The parts of the page that hold something; what is in no plan stands with what the ranking depends on."""
    planned = {name for _, _, names, kinds in _PLAN.values() for name in (*names, *kinds)}
    found = []
    for anchor, (short, title, names, kinds) in _PLAN.items():
        rest = anchor == _DEPENDS
        own = [table for name in names for table in tables if table.name == name]
        own += [table for table in tables if rest and table.name not in planned]
        drawn = [drawing for kind in kinds for drawing in drawings if drawing.kind == kind]
        drawn += [drawing for drawing in drawings if rest and drawing.kind not in planned]
        if own or drawn:
            found.append(Section(anchor, short, title, own, drawn))
    return found
