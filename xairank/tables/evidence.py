"""The tables the paper lacks: how sure its ranking is."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from xairank.ranking.bootstrap import FEWEST_SEEDS
from xairank.ranking.chance import ABOVE, AT, BELOW
from xairank.ranking.conclusion import conclude
from xairank.ranking.controls import against_controls
from xairank.ranking.statistics import Comparison, compare_methods, summarize_methods
from xairank.runs.group import Group, count_of
from xairank.schema import SPLITS
from xairank.tables.groups import Rows, each_split, in_blocks, joined_notes, repeats_of
from xairank.tables.qualifiers import on_chance, on_controls, said
from xairank.tables.table import MISSING, Table, p_value, with_interval
from xairank.tables.words import CAUTION, CONCLUSION, Sentence

_CONTROLS = (
    "Controls never win and have no rank. Against controls: paired with the best control without evidence, Wilcoxon's "
    "and the two-way test, corrected by Holm; the model's own mask is an upper control, not to be beaten."
)
_CASES = "Near-duplicate images are one case, the mean over its images."


def ranking(groups: Sequence[Group]) -> tuple[Table, list[Sentence]]:
    """Mean score, chance-corrected score, mean rank and win rate of each method with their intervals.

    Returns:
        The table, and sentences on how the methods stand to chance and to the controls.
    """
    summaries = [(group, split, _summary(group, split)) for group, split in each_split(groups)]
    beside = [_controls(group, split, some) for group, split, some in summaries]
    summaries = [
        (group, split, some.join(margins, on="method"))
        for (group, split, some), (_, margins, _) in zip(summaries, beside, strict=True)
    ]
    shown_tables = [pd.concat([some, controls]) for (*_, some), (controls, _, _) in zip(summaries, beside, strict=True)]
    data = pd.concat(shown_tables, ignore_index=True) if summaries else pd.DataFrame()
    corrected = any(some["chance_corrected"].notna().any() for *_, some in summaries)
    cases = any((some["n_cases"] < some["n_images"]).any() for *_, some in summaries)
    against = any((some["against_chance"] != "").any() for *_, some in summaries)
    controlled = any((some["against_control"].fillna("") != "").any() for *_, some in summaries)
    optional = {
        "Chance-corrected": corrected,
        "Against chance": against,
        "Against controls": controlled,
        "Cases": cases,
    }
    columns = ["Split", "Method", _metric_label(groups), "Chance-corrected", "Against chance", "Against controls"]
    columns += ["Mean rank", "Win rate"]
    header = [name for name in [*columns, "Images", "Cases", "Seeds"] if optional.get(name, True)]
    blocks: dict[str, Rows] = {group.name: [] for group in groups}
    notes, sentences = [], []
    for (group, split, some), (controls, _, found) in zip(summaries, beside, strict=True):
        rows = [*_ranking_rows(group, split, some), *_control_rows(group, split, controls)]
        blocks[group.name] += [[row[name if name in row else "score"] for name in header] for row in rows]
        about = [*on_chance(group, split, some), *on_controls(group, split, found)]
        marks = [sentence.text for sentence in about if sentence.weight == CAUTION]
        sentences += about
        notes.append((group.name, [*_about(group, split, some), *(f"{SPLITS[split]}: {mark}" for mark in marks)]))
    every = [
        "In brackets 95 % intervals that treat both seeds and cases as samples: two-way bootstrap-t of the scores; "
        "ranks and win rates on the scale of log odds with the same two-way variance.",
        *(["Chance-corrected: 0 is a random map, 1 a perfect one."] if corrected else []),
        "Rank: 1 is best of each image and seed.",
        *([_CONTROLS] if any(len(controls) for controls, *_ in beside) else []),
        *([_CASES] if cases else []),
    ]
    title = f"Ranking of the methods, means over {repeats_of(groups)} of means over {'cases' if cases else 'images'}"
    shown = [*joined_notes(notes), *every]
    return Table("ranking", title, data, header, in_blocks(list(blocks.items())), shown, n_text=2), sentences


def statistics(groups: Sequence[Group]) -> tuple[Table, dict[tuple[str, str], Comparison], list[Sentence]]:
    """Tests between each two methods; what they found, by group and split; and the conclusions in words."""
    tables, conclusions = [], []
    comparisons: dict[tuple[str, str], Comparison] = {}
    blocks: dict[str, Rows] = {group.name: [] for group in groups}
    notes: list[tuple[str, list[str]]] = []
    for group, split in each_split(groups):
        found = compare_methods(group.of_split(split), group.metric, group.metric_facts)
        overall: dict[str, Any] = {
            "metric": group.metric,
            "friedman_statistic": found.friedman_statistic,
            "friedman_p": found.friedman_p,
            "critical_difference": found.critical_difference,
            "n_images": found.n_images,
            "n_cases": found.n_cases,
            "n_seeds": found.n_seeds,
        }
        tables.append(found.pairs.assign(group=group.name, split=split, **overall))
        blocks[group.name] += _pair_rows(group, found, split)
        comparisons[group.name, split] = found
        conclusions.append(said(group, split, "methods", CONCLUSION, conclude(found, group.labels, group.repeat)))
        notes.append((group.name, [f"{group.seeds}.", *group.remarks, _friedman(group, found, split)]))
    header = ["Split", "Methods", "Difference", "Rank difference", "Rank-biserial", "Wilcoxon p", "Holm p"]
    header += ["Nemenyi p", "Two-way p", "Verdict"]
    every = [
        f"The unit is the case, averaged over seeds. {_CASES} Difference: of mean {_metric_label(groups)}, with a 95 % "
        "two-way bootstrap interval. Rank difference: of ranks of the case means. Holm p: Wilcoxon's, corrected for "
        "all pairs.",
        "Two-way p: allows for other seeds, as the others do not; corrected by Holm. Methods differ if Friedman's, "
        "Holm's and the two-way p are below 0.05.",
    ]
    data = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    shown = [*map(str, conclusions), *joined_notes(notes), *every]
    title = "Tests between the methods"
    table = Table("statistics", title, data, header, in_blocks(list(blocks.items())), shown, n_text=2)
    return table, comparisons, conclusions


def _summary(group: Group, split: str) -> pd.DataFrame:
    scores = group.of_split(split)
    summary = summarize_methods(scores, group.metric, group.metric_facts, group.ties, list(group.methods))
    return summary.assign(group=group.name, split=split, metric=group.metric, control="")


def _controls(group: Group, split: str, summary: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Rows of the controls, for each method how it stands to the best of them, and the tests of that."""
    rows = group.control_scores[group.control_scores["split"] == split]
    facts = group.metric_facts
    found = against_controls(group.of_split(split), group.controls_of_split(split), group.metric, facts)
    margins = found.set_index("method")[["control", "verdict", "difference", "difference_low", "difference_high"]]
    margins.columns = ["best_control", "against_control", *(f"above_control{end}" for end in ("", "_low", "_high"))]
    if rows.empty:
        return summary.head(0), margins, found
    known = summarize_methods(rows, group.metric, facts, methods=list(group.controls))
    for name in [f"{measure}{end}" for measure in ("rank", "win_rate") for end in ("", "_low", "_high")]:
        known[name] = np.nan
    kinds = known["method"].map({name: some.control for name, some in group.controls.items()})
    return known.assign(group=group.name, split=split, metric=group.metric, control=kinds), margins, found


def _control_rows(group: Group, split: str, controls: pd.DataFrame) -> list[dict[str, str]]:
    """A row a control, by column as :func:`_ranking_rows`; it has no rank and no win."""
    rows = []
    for row in controls.to_dict("records"):
        score, corrected = (
            with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in ("score", "chance_corrected")
        )
        counts = {name: str(row[f"n_{name.lower()}"]) for name in ("Images", "Cases", "Seeds")}
        shown = {"Split": SPLITS[split], "Method": f"control: {group.control_labels[row['method']]}", "score": score}
        missing = dict.fromkeys(("Against chance", "Against controls", "Mean rank", "Win rate"), MISSING)
        rows.append({**shown, "Chance-corrected": corrected, **missing, **counts})
    return rows


def _metric_label(groups: Sequence[Group]) -> str:
    """The metric that decides; "score" where groups differ in it, and their names say which."""
    labels = {group.metric_facts.label for group in groups}
    return labels.pop() if len(labels) == 1 else "Score"


def _ranking_rows(group: Group, split: str, summary: pd.DataFrame) -> list[dict[str, str]]:
    """A row a method, by column; the deciding metric's column is "score"."""
    better = group.metric_facts.higher_is_better
    measures = {"score": better, "chance_corrected": True, "rank": False, "win_rate": True}
    best = {
        name: (summary[name].round(3).max() if higher else summary[name].round(3).min())
        for name, higher in measures.items()
    }
    words = {ABOVE: "above", AT: "not shown", BELOW: "below"}
    if not better:
        words = {ABOVE: "better", AT: "not shown", BELOW: "worse"}
    rows = []
    for row in summary.to_dict("records"):
        shown = {
            name: with_interval(
                row[name],
                row[f"{name}_low"],
                row[f"{name}_high"],
                bold=round(row[name], 3) == best[name] and len(summary) > 1,
            )
            for name in measures
        }
        rows.append(
            {
                "Split": SPLITS[split],
                "Method": group.labels[row["method"]],
                "score": shown["score"],
                "Chance-corrected": shown["chance_corrected"],
                "Against chance": words.get(row["against_chance"], MISSING),
                "Against controls": words.get(row["against_control"], MISSING),
                "Mean rank": shown["rank"],
                "Win rate": shown["win_rate"],
                "Images": str(row["n_images"]),
                "Cases": str(row["n_cases"]),
                "Seeds": str(row["n_seeds"]),
            }
        )
    return rows


def _pair_rows(group: Group, found: Comparison, split: str) -> Rows:
    labels = group.labels
    return [
        [
            SPLITS[split],
            f"{labels[row['method']]} / {labels[row['other']]}",
            with_interval(row["difference"], row["difference_low"], row["difference_high"]),
            f"{row['rank_difference']:.2f}",
            f"{row['rank_biserial']:+.2f}",
            *(p_value(row[name]) for name in ("wilcoxon_p", "holm_p", "nemenyi_p", "two_way_p")),
            row["verdict"] or "too few cases",
        ]
        for row in found.pairs.to_dict("records")
    ]


def _about(group: Group, split: str, summary: pd.DataFrame) -> list[str]:
    scores, chance = group.of_split(split), summary["chance"].iloc[0]
    about = [f"{group.seeds}.", *group.remarks, *_few_seeds(scores["seed"].nunique())]
    if group.name and group.metric_facts.label not in group.name:
        about.append(f"The metric that decides is {group.metric_facts.label}.")
    if not np.isnan(chance):
        label = group.metric_facts.label
        about.append(f"{SPLITS[split]}, {count_of(scores)}: a random map has a {label} of {chance:.3f}.")
    return [*about, *_diagnostics(group, split)]


def _friedman(group: Group, found: Comparison, split: str) -> str:
    ranks = ", ".join(f"{group.labels[str(method)]} {rank:.2f}" for method, rank in found.mean_ranks.items())
    text = f"{SPLITS[split]}, {count_of(group.of_split(split))}: mean ranks {ranks}"
    if pd.notna(found.friedman_p):
        freedom = len(found.mean_ranks) - 1
        text += f"; Friedman's χ²({freedom}) = {found.friedman_statistic:.2f}, p {_equal(p_value(found.friedman_p))}"
    if pd.notna(found.critical_difference):
        text += f"; critical difference {found.critical_difference:.2f} (Nemenyi, 5 %)"
    return f"{text}."


def _few_seeds(n_seeds: int) -> list[str]:
    if n_seeds == 1:
        return ["One seed: the intervals leave out how results vary from seed to seed."]
    if n_seeds < FEWEST_SEEDS:
        return [f"Fewer than {FEWEST_SEEDS} seeds: the intervals are too narrow, as few seeds were sampled."]
    return []


def _equal(p: str) -> str:
    return p if p.startswith("<") else f"= {p}"


def _diagnostics(group: Group, split: str) -> list[str]:
    """The size of each diagnostic that a method reports, where there are values."""
    scores, notes = group.of_split(split), []
    for method, facts in group.methods.items():
        rows = scores[scores["method"] == method]
        for column, words in facts.diagnostics.items():
            if column not in rows or rows[column].isna().all():
                continue
            median, high = rows[column].abs().quantile([0.5, 0.95])
            notes.append(
                f"{SPLITS[split]}, {facts.label}: {words}, {median:.3g} in the median, {high:.3g} in the 95th "
                "percentile (absolute values)."
            )
    return notes
