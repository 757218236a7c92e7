"""The answer of a sweep for who reads no table: a headline, the numbers behind it, and what qualifies it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from xairank.names import count
from xairank.ranking.conclusion import undecidable
from xairank.ranking.headline import claims, headline
from xairank.ranking.statistics import Comparison
from xairank.runs.group import Group, count_of
from xairank.schema import SPLITS
from xairank.tables.groups import each_split
from xairank.tables.table import with_interval
from xairank.tables.win_rate import count_ranked
from xairank.tables.words import Sentence

_LISTED = 3  # methods whose scores are told


@dataclass(frozen=True)
class Answer:
    """What one group and split shows.

    Attributes:
        group: The group.
        split: The split.
        headline: One sentence that does not mislead.
        scores: The scores of the first methods with their intervals.
        lead: By how much the first two methods differ, with its interval; empty where nothing can be concluded.
        basis: How many images and runs it rests on.
        sentences: What supports, qualifies or is missing, by what it is about.
        rows: Of the ranking's data: the methods, best first, then the controls.
    """

    group: Group
    split: str
    headline: str
    scores: str
    lead: str
    basis: str
    sentences: list[Sentence]
    rows: list[dict[Any, Any]]


def answers(
    groups: Sequence[Group],
    ranked: pd.DataFrame,
    comparisons: Mapping[tuple[str, str], Comparison],
    sentences: Sequence[Sentence],
) -> list[Answer]:
    """An answer a group and split with ranked images.

    Args:
        groups: Of the sweep.
        ranked: Data of the table ``ranking``.
        comparisons: By group and split.
        sentences: On all of them.
    """
    found = []
    for group, split in each_split(groups):
        own = [one for one in sentences if (one.group, one.split) == (group.name, split)]
        comparison = comparisons[group.name, split]
        rows = ranked[(ranked["group"] == group.name) & (ranked["split"] == split)]
        said = headline(comparison, group.labels, group.repeat, _clauses(own, comparison))
        order = rows.assign(no_method=rows["control"] != "").sort_values(["no_method", "rank"], kind="stable")
        in_order: list[dict[Any, Any]] = order.to_dict("records")
        found.append(
            Answer(
                group,
                split,
                headline=said,
                scores=_scores(group, split, in_order),
                lead=_lead(group, comparison),
                basis=_basis(group, split, comparison),
                sentences=own,
                rows=in_order,
            )
        )
    return found


def _clauses(sentences: Sequence[Sentence], comparison: Comparison) -> list[str]:
    """What the headline must add: a control that beats a method says more than chance that does."""
    found = {one.about: one.clause for one in sentences if one.clause}
    if "controls" in found:
        found.pop("chance", None)
    if not claims(comparison):  # nobody is said to lead, so that "it" would be nobody
        found = {about: text for about, text in found.items() if about not in ("metric", "blur", "randomisation")}
        found = {about: text for about, text in found.items() if not text.startswith("it ")}
    return list(found.values())


def _scores(group: Group, split: str, rows: Sequence[Mapping[Any, Any]]) -> str:
    """The scores of the first methods, and of a random map."""
    facts = group.metric_facts
    methods = [row for row in rows if row["control"] == ""]
    shown = [
        f"{group.labels[row['method']]} {with_interval(row['score'], row['score_low'], row['score_high'])}"
        for row in methods[:_LISTED]
    ]
    rest = [f"{count(len(methods) - _LISTED, 'other method')} behind"] if len(methods) > _LISTED else []
    chance = methods[0]["chance"]
    random = [] if math.isnan(chance) else [f"a random map {chance:.3f}"]
    less = "" if facts.higher_is_better else " (less is better)"
    return f"{SPLITS[split]} set, mean {facts.label}{less}: {', '.join([*shown, *rest, *random])}."


def _lead(group: Group, comparison: Comparison) -> str:
    """By how much the first two methods differ; empty where nothing can be concluded."""
    if undecidable(comparison):
        return ""
    first = comparison.pairs.iloc[0]
    lead = with_interval(first["difference"], first["difference_low"], first["difference_high"])
    names = f"{group.labels[first['method']]} minus {group.labels[first['other']]}"
    return f"{names}, mean {group.metric_facts.label}: {lead}."


def _basis(group: Group, split: str, comparison: Comparison) -> str:
    """How many images and runs it rests on, and how many defects were not ranked."""
    runs = count(comparison.n_seeds, group.repeat)
    found = f"{count_of(group.of_split(split))} of the {SPLITS[split].lower()} set, {runs}"
    numbers = count_ranked(group, split).iloc[0]
    left_out = int(numbers["n_defects"] - numbers["n_ranked"])
    if not left_out:
        return f"{found}; every defect is ranked."
    return (
        f"{found}; {left_out} of {count(numbers['n_defects'], 'pair')} of a defect and a run are not ranked: "
        "misclassified, or without a mask in view."
    )
