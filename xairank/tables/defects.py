"""The table of scores by size, thinness, components and confidence of the defects, and by class."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from xairank.names import images_in_words
from xairank.ranking.defects import correlate_defects, summarize_defects, undecided, who_leads_where
from xairank.ranking.parts import PROPERTIES
from xairank.ranking.wins import FEWEST_CASES
from xairank.runs.group import Group
from xairank.tables.groups import Rows, each_split, in_blocks, joined_notes, method_labels, split_label
from xairank.tables.qualifiers import said
from xairank.tables.table import MISSING, Table, with_interval
from xairank.tables.words import CAUTION, Sentence

_WIDEST = 4  # methods whose intervals fit beside each other


def by_defect(groups: Sequence[Group]) -> tuple[Table | None, list[Sentence]]:
    """Mean score in each part of the defects, a column a method; None where the defects are all alike.

    And a sentence for each property where another method leads in another part.
    """
    labels = method_labels(groups)
    blocks: dict[str, Rows] = {group.name: [] for group in groups}
    tables = []
    sentences: list[Sentence] = []
    notes: list[tuple[str, list[str]]] = []
    for group, split in each_split(groups):
        scores, metric, facts = group.of_split(split), group.metric, group.metric_facts
        found = summarize_defects(scores, metric, facts)
        if found.empty:
            continue
        correlations = correlate_defects(scores, metric, facts)
        table = found.merge(correlations, how="left", on=["property", "method"])
        tables.append(table.drop(columns="where").assign(group=group.name, split=split, metric=metric))
        for name in found["property"].unique():
            own = found[found["property"] == name]
            for _, part in own.groupby("part", sort=False):
                blocks[group.name].append([split_label(group, split), *_part_cells(part, labels)])
            rho = correlations[correlations["property"] == name].set_index("method")["spearman"]
            if len(rho):
                blocks[group.name].append([split_label(group, split), *_correlation_cells(name, rho, labels)])
        sentences += [said(group, split, "defects", CAUTION, line) for line in who_leads_where(found, group.labels)]
        if line := undecided(found):
            notes.append((group.name, [f"{split_label(group, split)}: {line}"]))
    if not tables:
        return None, []
    header = ["Split", "Property", "Part", "Images", *labels.values(), "Lead", "Verdict"]
    every = [
        "Size, thinness and confidence are cut into thirds of the cases. Thinness: the share of the defect's pixels "
        "outside the largest disc in each of its components; 0 is a disc. Confidence: the probability of the "
        "predicted class, averaged over seeds.",
        f"Lead: of the best mean (bold) over the second; shown where Wilcoxon's and the two-way test, corrected by "
        f"Holm over the parts of the property, are below 0.05; {MISSING}: fewer than {FEWEST_CASES} cases.",
        "Spearman: correlation of the property with the score over cases, chance-corrected where chance is known.",
        f"In brackets 95 % two-way bootstrap intervals{'' if len(labels) <= _WIDEST else '; by_defect.csv has all'}.",
    ]
    title = f"By defect: mean {_metric(groups)} by size, shape, confidence and class"
    shown = [*map(str, sentences), *joined_notes(notes), *every]
    return Table("by_defect", title, pd.concat(tables), header, in_blocks(list(blocks.items())), shown, 3), sentences


def _part_cells(part: pd.DataFrame, labels: Mapping[str, str]) -> list[str]:
    first = part.iloc[0].to_dict()
    rows = part.set_index("method").to_dict("index")
    lead = MISSING if pd.isna(first["lead"]) else with_interval(first["lead"], first["lead_low"], first["lead_high"])
    return [
        PROPERTIES[first["property"]].label,
        f"{first['part']} ({first['range']})" if first["range"] else first["part"],
        images_in_words(first["n_images"], first["n_cases"]).replace(" images", "").replace(" image", ""),
        *(_cell(rows.get(name), name == first["leader"], narrow=len(labels) > _WIDEST) for name in labels),
        lead,
        first["verdict"] or MISSING,
    ]


def _cell(row: Mapping[Any, Any] | None, bold: bool, *, narrow: bool) -> str:
    if row is None:
        return MISSING
    limits = (float("nan"),) * 2 if narrow else (row["score_low"], row["score_high"])
    return with_interval(row["score"], *limits, bold=bold)


def _correlation_cells(name: str, rho: pd.Series, labels: Mapping[str, str]) -> list[str]:
    values = [f"{rho[method]:+.2f}" if method in rho and pd.notna(rho[method]) else MISSING for method in labels]
    return [PROPERTIES[name].label, "Spearman", "", *values, "", ""]


def _metric(groups: Sequence[Group]) -> str:
    labels = {group.metric_facts.label for group in groups}
    return labels.pop() if len(labels) == 1 else "score"
