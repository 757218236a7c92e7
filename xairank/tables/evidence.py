"""The tables the paper lacks: how sure its ranking is."""

from collections.abc import Iterator

import pandas as pd

from xairank.names import display_name
from xairank.ranking.bootstrap import FEWEST_SEEDS
from xairank.ranking.conclusion import conclude
from xairank.ranking.statistics import Comparison, compare_methods, summarize_methods
from xairank.runs.sweep import Sweep
from xairank.tables.groups import Groups, basis, config_of, in_blocks, joined_notes
from xairank.tables.paper import SPLITS
from xairank.tables.table import Table, p_value, with_interval

_MEASURES = {"overlap": False, "chance_corrected": False, "rank": True, "win_rate": False}  # whether less is better


def ranking(groups: Groups) -> Table:
    """Mean overlap, chance-corrected overlap, mean rank and win rate of each method with their intervals."""
    tables, notes = [], []
    blocks: dict[str, list[list[str]]] = {group: [] for group in groups}
    for group, split, scores, part in _each_split(groups):
        table = summarize_methods(scores, config_of(part)["ranking"]["ties"]).assign(group=group, split=split)
        tables.append(table)
        blocks[group] += _ranking_rows(table, split)
        chance = f"{SPLITS[split]}: a random map has an overlap of {table['chance'].iloc[0]:.3f}."
        about = [f"{basis(part.runs)}.", *_few_seeds(scores["seed"].nunique())]
        notes.append((group, [*about, chance, *_completeness(scores, split)]))
    header = ["Split", "Method", "Overlap", "Chance-corrected", "Mean rank", "Win rate", "Images", "Seeds"]
    every = [
        "In brackets 95 % intervals that count seeds and images both as samples of more: two-way bootstrap-t of the "
        "overlaps; ranks and win rates on the scale of log odds with the same two-way variance.",
        "Chance-corrected: 0 is a random map, 1 a perfect one. Rank: 1 is best of each image and seed.",
    ]
    title = "Ranking of the methods, means over seeds of means over images"
    data = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return Table("ranking", title, data, header, in_blocks(blocks), [*joined_notes(notes), *every], n_text=2)


def statistics(groups: Groups) -> tuple[Table, list[str]]:
    """Tests between each two methods, and the conclusions in words."""
    tables, conclusions = [], []
    blocks: dict[str, list[list[str]]] = {group: [] for group in groups}
    notes: list[tuple[str, list[str]]] = []
    for group, split, scores, part in _each_split(groups):
        found = compare_methods(scores)
        overall = {
            "friedman_statistic": found.friedman_statistic,
            "friedman_p": found.friedman_p,
            "critical_difference": found.critical_difference,
            "n_images": found.n_images,
            "n_seeds": found.n_seeds,
        }
        tables.append(found.pairs.assign(group=group, split=split, **overall))
        blocks[group] += _pair_rows(found, split)
        named = f"{group}, {SPLITS[split].lower()}" if group else SPLITS[split]
        conclusions.append(f"{named}: {conclude(found)}")
        notes.append((group, [f"{basis(part.runs)}.", _friedman(found, split)]))
    header = ["Split", "Methods", "Difference", "Rank difference", "Rank-biserial", "Wilcoxon p", "Holm p"]
    header += ["Nemenyi p", "Two-way p", "Verdict"]
    every = [
        "An image averaged over seeds is one case. Difference: of mean overlaps, with a 95 % two-way bootstrap "
        "interval. Rank difference: of ranks of the image means. Holm p: Wilcoxon's, corrected for all pairs.",
        "Two-way p: allows for other seeds, as the others do not; corrected by Holm. Methods differ if Friedman's, "
        "Holm's and the two-way p are below 0.05.",
    ]
    data = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    title = "Tests between the methods"
    shown = [*conclusions, *joined_notes(notes), *every]
    return Table("statistics", title, data, header, in_blocks(blocks), shown, n_text=2), conclusions


def _each_split(groups: Groups) -> Iterator[tuple[str, str, pd.DataFrame, Sweep]]:
    for group, part in groups.items():
        for split in SPLITS:
            scores = part.scores[part.scores["split"] == split]
            if len(scores):
                yield group, split, scores, part


def _ranking_rows(table: pd.DataFrame, split: str) -> list[list[str]]:
    best = {
        measure: table[measure].round(3).min() if less else table[measure].round(3).max()
        for measure, less in _MEASURES.items()
    }
    return [
        [
            SPLITS[split],
            display_name(row["method"]),
            *(
                with_interval(
                    row[measure],
                    row[f"{measure}_low"],
                    row[f"{measure}_high"],
                    bold=round(row[measure], 3) == best[measure] and len(table) > 1,
                )
                for measure in _MEASURES
            ),
            str(row["n_images"]),
            str(row["n_seeds"]),
        ]
        for row in table.to_dict("records")
    ]


def _pair_rows(found: Comparison, split: str) -> list[list[str]]:
    return [
        [
            SPLITS[split],
            f"{display_name(row['method'])} / {display_name(row['other'])}",
            with_interval(row["difference"], row["difference_low"], row["difference_high"]),
            f"{row['rank_difference']:.2f}",
            f"{row['rank_biserial']:+.2f}",
            *(p_value(row[name]) for name in ("wilcoxon_p", "holm_p", "nemenyi_p", "two_way_p")),
            row["verdict"] or "too few images",
        ]
        for row in found.pairs.to_dict("records")
    ]


def _friedman(found: Comparison, split: str) -> str:
    ranks = ", ".join(f"{display_name(str(method))} {rank:.2f}" for method, rank in found.mean_ranks.items())
    text = f"{SPLITS[split]}, {found.n_images} images: mean ranks {ranks}"
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
        return [f"Fewer than {FEWEST_SEEDS} seeds: the intervals are too short, as they know little of other seeds."]
    return []


def _equal(p: str) -> str:
    return p if p.startswith("<") else f"= {p}"


def _completeness(scores: pd.DataFrame, split: str) -> list[str]:
    """How far the integral of integrated gradients is off, where the run tells."""
    if "completeness_error" not in scores or scores["completeness_error"].isna().all():
        return []
    median, high = scores["completeness_error"].abs().quantile([0.5, 0.95])
    return [
        f"{SPLITS[split]}: completeness error of integrated gradients {median:.3g} logits in the median, {high:.3g} in "
        "the 95th percentile."
    ]
