"""What the tables of a sweep with several groups share: blocks, captions of groups, notes."""

from collections.abc import Iterable, Iterator, Sequence

from xairank.runs.group import Group, all_methods
from xairank.schema import SPLITS
from xairank.tables.published import Comparability

Rows = list[list[str]]


def in_blocks(blocks: Sequence[tuple[str, Rows]]) -> list[Rows]:
    """A block a group; where there are several, each begins with a line that names it."""
    if len(blocks) == 1:
        return [rows for _, rows in blocks]
    return [[[f"**{name}**", *[""] * (len(rows[0]) - 1)], *rows] for name, rows in blocks if rows]


def joined_notes(notes: Iterable[tuple[str, Iterable[str]]]) -> list[str]:
    """Notes once each; those that only some groups have say which."""
    groups: dict[str, dict[str, None]] = {}
    names = set()
    for group, some in notes:
        names.add(group)
        for note in some:
            groups.setdefault(note, {})[group] = None
    return [note if len(having) == len(names) else f"{'; '.join(having)}: {note}" for note, having in groups.items()]


def each_split(groups: Iterable[Group]) -> Iterator[tuple[Group, str]]:
    """Every group with every split in which it has ranked images."""
    for group in groups:
        for split in group.splits:
            yield group, split


def repeats_of(groups: Iterable[Group]) -> str:
    """What the groups repeat over, in words: seeds, or networks where nothing was trained."""
    return " or ".join(sorted({f"{group.repeat}s" for group in groups}, reverse=True)) or "seeds"


def split_label(group: Group, split: str) -> str:
    """A split in words, with the group where there are several."""
    return f"{group.name}, {SPLITS[split].lower()}" if group.name else SPLITS[split]


def method_labels(groups: Iterable[Group]) -> dict[str, str]:
    """What the methods of all groups are called, by name in order."""
    return {name: facts.label for name, facts in all_methods(groups).items()}


def comparison_notes(comparability: Comparability, group: Group, n_measures: int) -> list[str]:
    """How far the published values compare."""
    if len(comparability.words) == n_measures:
        return comparability.reasons
    remarks = list(comparability.remarks)
    if group.runs["fold"].nunique() > 1:
        remarks.append("several folds are tested here, one fixed split in the published runs")
    return [*comparability.reasons, *([f"Compared nevertheless: {'; '.join(remarks)}."] if remarks else [])]
