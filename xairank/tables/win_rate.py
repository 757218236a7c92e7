"""Tables 3 and 4 of the paper: how often each method wins."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from xairank.names import count, display_name
from xairank.ranking.wins import OVERALL, mean_over_seeds, win_rates, with_overall
from xairank.runs.group import Group, count_of
from xairank.schema import GOOD, SPLITS, TEST, TRAIN
from xairank.tables.beside import beside, by_keys, is_compared, rows_of
from xairank.tables.groups import comparison_notes, in_blocks, joined_notes, method_labels, repeats_of
from xairank.tables.published import (
    SAME_ORDER,
    UNKNOWN_IMAGES,
    WIN_RATE,
    compare_protocol,
    on_published_data,
    published_win_rates,
)
from xairank.tables.table import Table

_COUNTS = (
    "Images: ranked by at least one seed. Ranked: pairs of an image and a run, of those with a defect. A seed without "
    "a ranked image of a class does not count for it."
)
_PUBLISHED_AS = {TRAIN: "Table 3 of the paper", TEST: "Table 4 of the paper"}


def win_rate(groups: Sequence[Group], split: str) -> Table:
    """Table 3 (train) or 4 (test): win rate overall and by class, mean and population deviation over seeds."""
    compared = {
        group.name: compare_protocol(group.config, [WIN_RATE]) for group in groups if on_published_data(group.config)
    }
    rates = published_win_rates()
    published = mean_over_seeds(rates[rates["split"] == split], WIN_RATE)
    found = pd.concat([_rates(group, split) for group in groups], ignore_index=True)
    data = beside(mean_over_seeds(found, WIN_RATE).assign(metric=WIN_RATE), published, ["label", "method"], compared)
    counts = pd.concat([count_ranked(group, split).assign(group=group.name) for group in groups])
    data = data.merge(counts.drop(columns="excluded"), how="left", on=["group", "label"])
    labels = method_labels(groups)
    cells = by_keys(data, "group", "label", "method")
    blocks, notes = [], []
    for group in groups:
        rows: list[list[str]] = []
        for numbers in counts[counts["group"] == group.name].to_dict("records"):
            label = numbers["label"]
            rows += _class_rows(label, [cells.get((group.name, label, method)) for method in labels], numbers)
        blocks.append((group.name, rows))
        about = _about(group, split)
        if group.name in compared:
            about += comparison_notes(compared[group.name], group, 1)
        notes.append((group.name, about))
    header = ["Class", *labels.values(), "Seeds", "Images", "Ranked", "Excluded"]
    title = (
        f"Win rate on the {SPLITS[split].lower()} set, mean and population standard deviation over {repeats_of(groups)}"
    )
    every = [UNKNOWN_IMAGES, SAME_ORDER] if is_compared(data) else []
    shown = [*joined_notes(notes), _COUNTS, *every]
    title += f" ({_PUBLISHED_AS[split]})" if any(not group.ranked_only for group in groups) else ""
    return Table(f"win_rate_{split}", title, data, header, in_blocks(blocks), shown)


def count_ranked(group: Group, split: str) -> pd.DataFrame:
    """How many images and pairs of image and run stand behind each class of one split.

    Returns:
        A row a ``label``, "overall" first: ``n_images``, ``n_cases``, ``n_ranked`` (pairs), ``n_defects`` (pairs,
        ranked or not) and ``excluded``, in words.
    """
    excluded = group.excluded[group.excluded["split"] == split]
    keys = ["label", "seed", "fold", "sample", "case"]
    pairs = with_overall(group.of_split(split)[keys].drop_duplicates()).groupby("label")
    reasons = with_overall(excluded).groupby(["label", "reason"]).size().unstack(fill_value=0)
    defects = pairs.size().add(reasons.drop(columns=GOOD, errors="ignore").sum(axis=1), fill_value=0)
    numbers = {"n_images": pairs["sample"].nunique(), "n_cases": pairs["case"].nunique(), "n_ranked": pairs.size()}
    counts = pd.DataFrame({**numbers, "n_defects": defects})
    order = np.lexsort((counts.index, counts.index != OVERALL))
    counts = counts.iloc[order[counts.index[order] != GOOD]].fillna(0).astype(int)
    words = {label: _reasons(some) for label, some in reasons.to_dict("index").items()}
    return (
        counts.assign(excluded=[words.get(label, "none") for label in counts.index]).rename_axis("label").reset_index()
    )


def _rates(group: Group, split: str) -> pd.DataFrame:
    better = group.metric_facts.higher_is_better
    scores = group.of_split(split).assign(group=group.name)
    return win_rates(scores, group.metric, higher_is_better=better, ties=group.ties, methods=list(group.methods))


def _about(group: Group, split: str) -> list[str]:
    ties = "shared" if group.ties == "shared" else "won by the first method"
    facts, scores = group.metric_facts, group.of_split(split)
    best = "highest" if facts.higher_is_better else "lowest"
    about = [f"{group.seeds}; the {best} {facts.label} of an image wins, ties are {ties}.", *group.remarks]
    if scores["case"].nunique() < scores["sample"].nunique():
        about.append(
            f"{count_of(scores)}: images are counted here, as in the paper; the ranking and the statistics count "
            "near-duplicates as one case."
        )
    return about


def _class_rows(label: str, cells: Sequence[Any], numbers: Mapping[Hashable, Any]) -> list[list[str]]:
    n_images, n_cases = numbers["n_images"], numbers["n_cases"]
    counted = str(n_images) if n_cases == n_images else f"{n_images} ({count(n_cases, 'case')})"
    tail = [counted, f"{numbers['n_ranked']} of {numbers['n_defects']}", str(numbers["excluded"])]
    return rows_of(display_name(label), cells, tail, best=True)


def _reasons(numbers: Mapping[Hashable, int]) -> str:
    words = [f"{number} {str(reason).replace('_', ' ')}" for reason, number in numbers.items() if number]
    return ", ".join(words) or "none"
