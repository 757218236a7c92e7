"""What the tables of a sweep with several groups share: blocks, captions of groups, notes."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from xairank.names import count, in_words
from xairank.runs.sweep import Sweep
from xairank.tables.published import Comparability

Groups = dict[str, Sweep]


def split_groups(sweep: Sweep) -> Groups:
    """For every group, in order, a sweep of its runs alone."""
    tables = (sweep.scores, sweep.metrics, sweep.excluded, sweep.runs)
    parts = [_by_group(table) for table in tables]
    return {
        group: Sweep(sweep.folder, *(part.get(group, table.head(0)) for part, table in zip(parts, tables, strict=True)))
        for group in sweep.groups
    }


def config_of(sweep: Sweep) -> dict[str, Any]:
    """The configuration of the first run."""
    return sweep.runs["config"].iloc[0]


def in_blocks(blocks: dict[str, list[list[str]]]) -> list[list[list[str]]]:
    """A block a group; where there are several, each begins with a line that names it."""
    if len(blocks) == 1:
        return list(blocks.values())
    return [[[f"**{group}**", *[""] * (len(rows[0]) - 1)], *rows] for group, rows in blocks.items() if rows]


def joined_notes(notes: Iterable[tuple[str, Iterable[str]]]) -> list[str]:
    """Notes once each; those that only some groups have say which."""
    groups: dict[str, dict[str, None]] = {}
    names = set()
    for group, some in notes:
        names.add(group)
        for note in some:
            groups.setdefault(note, {})[group] = None
    return [note if len(having) == len(names) else f"{'; '.join(having)}: {note}" for note, having in groups.items()]


def basis(runs: pd.DataFrame) -> str:
    """Seeds and folds in words: "10 seeds (42 to 51)"."""
    seeds = sorted(set(runs["seed"]))
    consecutive = len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1
    listed = f"{seeds[0]} to {seeds[-1]}" if consecutive else in_words([str(seed) for seed in seeds])
    folds = sorted(set(runs["fold"].dropna()))
    told = f", folds {in_words([str(fold) for fold in folds])}" if len(folds) > 1 else ""
    return f"{count(len(seeds), 'seed')} ({listed}){told}"


def comparison_notes(comparability: Comparability, runs: pd.DataFrame, n_measures: int) -> list[str]:
    """How far the published values compare."""
    if len(comparability.words) == n_measures:
        return comparability.reasons
    remarks = list(comparability.remarks)
    if runs["fold"].nunique() > 1:
        remarks.append("several folds are tested here, one fixed split in the published runs")
    return [*comparability.reasons, *([f"Compared all the same: {'; '.join(remarks)}."] if remarks else [])]


def _by_group(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {str(group): part for group, part in table.groupby("group", sort=False)}
