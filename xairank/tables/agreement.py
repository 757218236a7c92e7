"""Whether another metric would rank the methods alike: what the ranking owes to the metric that decides."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from xairank.names import in_words
from xairank.ranking.agreement import COLUMNS, agreement, best_methods, obstacle
from xairank.runs.group import Group
from xairank.schema import SPLITS
from xairank.tables.groups import Rows, each_split, in_blocks, joined_notes
from xairank.tables.table import MISSING, Table, with_interval

_HEADER = ["Split", "Metric", "Best method", "Same best", "Kendall's tau", "Without tau", "Images"]
_NOTES = (
    "Kendall's tau-b over the methods of an image, between the metric and the one that decides: 1 is the same order, "
    "better first, -1 the reverse. Means over seeds of means over cases, in brackets 95 % two-way bootstrap intervals.",
    "Without tau: share of the images on which one of the two gives all methods the same score. Best method: that of "
    "the best mean score.",
    "agreement.csv and the figures named agreement have every pair of metrics.",
)


def agreement_table(groups: Sequence[Group]) -> Table:
    """A row a metric: its best method, and how well it agrees with the metric that decides; as data every pair."""
    data: list[pd.DataFrame] = []
    blocks: dict[str, Rows] = {group.name: [] for group in groups}
    notes: list[tuple[str, list[str]]] = []
    for group, split in each_split(groups):
        scores, facts = group.of_split(split), group.all_metric_facts
        reason = obstacle(scores, facts)
        notes.append((group.name, [f"Nothing to compare: {reason}."] if reason else [f"{group.seeds}."]))
        if reason:
            continue
        pairs = agreement(scores, facts)
        blocks[group.name] += _rows(group, split, pairs)
        named = {name: pairs[name].map(" ".join) for name in ("winners", "other_winners")}
        data.append(pairs.assign(**named, group=group.name, split=split))
    every = pd.concat(data, ignore_index=True) if data else pd.DataFrame(columns=[*COLUMNS, "group", "split"])
    shown = [*joined_notes(notes), *(_NOTES if data else ())]
    title = "Agreement of the metrics on the order of the methods"
    return Table("agreement", title, every, _HEADER, in_blocks(list(blocks.items())), shown, n_text=4)


def _rows(group: Group, split: str, pairs: pd.DataFrame) -> Rows:
    """The metric that decides, then each other one beside it."""
    scores, facts = group.of_split(split), group.all_metric_facts
    best = {name: best_methods(scores, name, some) for name, some in facts.items()}
    beside = {other: row for row in pairs.to_dict("records") if (other := _other(row, group.metric))}
    names = {name: in_words([group.labels[method] for method in methods]) for name, methods in best.items()}
    n_images = str(scores["sample"].nunique())
    decides = [SPLITS[split], f"{facts[group.metric].label} (decides)", names[group.metric], *[MISSING] * 3, n_images]
    return [
        decides,
        *(
            [
                SPLITS[split],
                facts[name].label,
                names[name],
                "yes" if row["same_winner"] else "no",
                MISSING if np.isnan(row["tau"]) else with_interval(row["tau"], row["tau_low"], row["tau_high"]),
                f"{100 * row['undefined']:.0f} %",
                str(row["n_images"]),
            ]
            for name, row in beside.items()
        ),
    ]


def _other(row: dict[Any, Any], metric: str) -> str:
    """The metric of a pair that is not this one; empty where this one is not in the pair."""
    pair = (row["metric"], row["other"])
    return next(name for name in pair if name != metric) if metric in pair else ""
