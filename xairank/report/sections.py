"""In which order a report shows tables and figures."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from xairank.report.drawings import Drawing
from xairank.tables.table import Table


@dataclass(frozen=True)
class Section:
    """A part of the page: its anchor, its title, and what it holds."""

    name: str
    title: str
    tables: list[Table] = field(default_factory=list)
    drawings: list[Drawing] = field(default_factory=list)


_DEPENDS = "depends"
# Anchor: title, tables by name, figures by kind, in order.
_PLAN: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "ranking": (
        "How the methods rank",
        ("ranking", "statistics"),
        ("overlap_distribution", "critical_difference", "pairwise_wins"),
    ),
    "wins": ("How often each method wins", ("win_rate_test", "win_rate_train"), ("figure7_win_rate",)),
    _DEPENDS: (
        "What the ranking depends on",
        ("agreement", "by_defect", "ladder", "layers", "randomisation"),
        ("agreement", "by_defect", "overlap_by_size", "ladder", "randomisation"),
    ),
    "examples": ("Examples", (), ("figure6", "figure3")),
    "training": ("How well the models do", ("performance",), ("figure5_curves",)),
    "origin": ("Where the numbers come from", ("origin", "excluded", "hyperparameters"), ()),
}


def in_sections(tables: Sequence[Table], drawings: Sequence[Drawing]) -> list[Section]:
    """The parts of the page that hold something; what is in no plan stands with what the ranking depends on."""
    planned = {name for _, names, kinds in _PLAN.values() for name in (*names, *kinds)}
    found = []
    for anchor, (title, names, kinds) in _PLAN.items():
        rest = anchor == _DEPENDS
        own = [table for name in names for table in tables if table.name == name]
        own += [table for table in tables if rest and table.name not in planned]
        drawn = [drawing for kind in kinds for drawing in drawings if drawing.kind == kind]
        drawn += [drawing for drawing in drawings if rest and drawing.kind not in planned]
        if own or drawn:
            found.append(Section(anchor, title, own, drawn))
    return found
