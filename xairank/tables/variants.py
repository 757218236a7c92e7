"""Tables of what becomes of the scores when maps are blurred, made at other layers, or of a randomised network."""

from collections.abc import Sequence

import pandas as pd

from xairank.names import count
from xairank.ranking.ladder import summarize_levels
from xairank.ranking.randomisation import check_randomisation
from xairank.runs.group import Group
from xairank.schema import LAYER, RANDOMISED
from xairank.tables.groups import Rows, each_split, in_blocks, joined_notes, split_label
from xairank.tables.qualifiers import on_blur, on_randomisation
from xairank.tables.table import MISSING, Table, p_value, with_interval
from xairank.tables.words import UNKNOWN, Sentence

_NOTE = "In brackets 95 % two-way bootstrap intervals."


def ladder(groups: Sequence[Group]) -> tuple[Table | None, list[Sentence]]:
    """Mean score at each blur; None where no run was made with ``attribution.ladder=true``. And who leads where."""
    blocks: dict[str, Rows] = {group.name: [] for group in groups}
    tables = []
    sentences: list[Sentence] = []
    levels: list[int] = []
    for group, split in each_split(groups):
        rows = group.blurred(split)
        found = summarize_levels(rows, group.metric, group.metric_facts.limits)
        sentences += on_blur(group, split, rows, found)
        if found.empty:
            continue
        levels = sorted(set(levels) | set(found["level"]))
        tables.append(found.assign(group=group.name, split=split, metric=group.metric))
        labels = group.labels | {name: f"control: {label}" for name, label in group.control_labels.items()}
        for method, label in labels.items():
            own = found[found["method"] == method].set_index("level")
            cells = [_cell(own, level) for level in levels]
            blocks[group.name].append([split_label(group, split), label, *cells])
    if not tables:
        return None, sentences
    header = ["Split", "Method", *("Unblurred" if level == 0 else f"{level} px" for level in levels)]
    notes = [*_shown(sentences), "Columns: standard deviation of a Gaussian blur of the maps, in pixels.", _NOTE]
    title = f"Smoothing ladder: mean {_metric(groups)} of blurred maps"
    return Table("ladder", title, pd.concat(tables), header, in_blocks(list(blocks.items())), notes, 2), sentences


def layers(groups: Sequence[Group]) -> Table | None:
    """Mean score of the methods with a layer, at each stage of the network; None where no run has them."""
    blocks: dict[str, Rows] = {group.name: [] for group in groups}
    tables = []
    for group, split in each_split(groups):
        found = summarize_levels(group.variants_of(split, LAYER), group.metric, group.metric_facts.limits)
        if found.empty:
            continue
        tables.append(found.assign(group=group.name, split=split, metric=group.metric))
        for row in found.to_dict("records"):
            score = with_interval(row["score"], row["score_low"], row["score_high"])
            label = group.labels.get(row["method"], row["method"])
            blocks[group.name].append([split_label(group, split), row["changed"], label, score])
    if not tables:
        return None
    header = ["Split", "Layer", "Method", _metric(groups)]
    notes = ["Layers: the last of each resolution, from the largest maps to the smallest.", _NOTE]
    title = f"Mean {_metric(groups)} of class activation maps at each stage of the network"
    return Table("layers", title, pd.concat(tables), header, in_blocks(list(blocks.items())), notes, 3)


def randomisation(groups: Sequence[Group]) -> tuple[Table | None, list[Sentence]]:
    """The randomisation check; None where no run was made with ``attribution.randomise=true``. And who fails."""
    blocks: dict[str, Rows] = {group.name: [] for group in groups}
    tables = []
    sentences: list[Sentence] = []
    notes: list[tuple[str, list[str]]] = []
    for group, split in each_split(groups):
        rows = group.variants_of(split, RANDOMISED)
        controls = group.controls_of_split(split)
        found = check_randomisation(group.of_split(split), rows, controls, group.metric, group.metric_facts)
        sentences += on_randomisation(group, split, found)
        if found.empty:
            continue
        tables.append(found.assign(group=group.name, split=split, metric=group.metric))
        stages = count(int(rows["level"].max()), "stage")
        notes.append((group.name, [f"Weights re-initialised from the head down in {stages}; shown is the last one."]))
        for row in found.to_dict("records"):
            blocks[group.name].append(
                [
                    split_label(group, split),
                    group.labels[row["method"]],
                    f"{row['trained']:.3f}",
                    f"{row['random']:.3f}",
                    with_interval(row["difference"], row["difference_low"], row["difference_high"]),
                    p_value(row["two_way_p"]),
                    f"{row['likeness']:.2f}",
                    row["verdict"] or MISSING,
                ]
            )
    if not tables:
        return None, sentences
    header = ["Split", "Method", "Trained", "Random", "Difference", "Two-way p", "Likeness", "Verdict"]
    every = [
        "A method passes where its score falls (Wilcoxon's and the two-way test, corrected by Holm, below 0.05), to "
        "the controls or below, and its maps become others: Likeness, the rank correlation with those of the trained "
        "network, is below 0.5.",
        _NOTE,
    ]
    title = f"Randomisation check: mean {_metric(groups)} with trained and with random weights"
    shown = [*_shown(sentences), *joined_notes(notes), *every]
    return Table(
        "randomisation", title, pd.concat(tables), header, in_blocks(list(blocks.items())), shown, 2
    ), sentences


def _shown(sentences: Sequence[Sentence]) -> list[str]:
    return [str(sentence) for sentence in sentences if sentence.weight != UNKNOWN]


def _cell(levels: pd.DataFrame, level: int) -> str:
    if level not in levels.index:
        return MISSING
    row = levels.loc[level]
    return with_interval(float(row["score"]), float(row["score_low"]), float(row["score_high"]))


def _metric(groups: Sequence[Group]) -> str:
    labels = {group.metric_facts.label for group in groups}
    return labels.pop() if len(labels) == 1 else "score"
