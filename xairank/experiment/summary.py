"""The table a run ends with: how the methods did, on how many images, what was left out, what is at chance."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from scipy.stats import t as student

from xairank.names import count, in_words
from xairank.ranking.wins import FEWEST_IMAGES, Ties, win_shares
from xairank.runs.folder import RunFolder
from xairank.schema import SPLITS, MethodFacts, MetricFacts, chance_column, method_facts, metric_facts

LEVEL = 0.95


def summarize(
    scores: pd.DataFrame, methods: Mapping[str, MethodFacts], metric: str, facts: MetricFacts, ties: Ties
) -> pd.DataFrame:
    """A row a split and method.

    Args:
        scores: Of a run.
        methods: In the order of ``ties=first``.
        metric: The one that decides.
        facts: Of the metric.
        ties: How ties share a win.

    Returns:
        ``split``, ``method``, ``mean`` of the metric and ``win_rate`` over images, ``n_images``, ``n_cases``, and
        ``beats_chance``: whether a 95 % interval over cases, Student's, lies on the better side of chance; missing
        where chance is not known.
    """
    sign = 1 if facts.higher_is_better else -1
    shares = win_shares(
        scores.assign(**{metric: sign * scores[metric]}), ties=ties, metric=metric, methods=list(methods)
    )
    chance = scores.get(chance_column(metric), pd.Series(np.nan, scores.index))
    table = scores.assign(win=shares, gain=sign * (scores[metric] - chance))
    grouped = table.groupby(["split", "method"], sort=False)
    summary = grouped.agg(
        mean=(metric, "mean"), win_rate=("win", "mean"), n_images=("sample", "nunique"), n_cases=("case", "nunique")
    )
    cases = table.groupby(["split", "method", "case"], sort=False)["gain"].mean()
    beats = cases.groupby(["split", "method"], sort=False).agg(_is_above_zero)
    return summary.assign(beats_chance=beats).reset_index()


def excluded_counts(excluded: pd.DataFrame, split: str) -> str:
    """How many images of a split were not ranked, by reason, in words."""
    counts = excluded.loc[excluded["split"] == split, "reason"].value_counts()
    return ", ".join(f"{number} {str(reason).replace('_', ' ')}" for reason, number in counts.items()) or "none"


def print_run(console: Console, folder: RunFolder) -> None:
    """Prints the summary of a complete run from its files."""
    record, ranking = folder.record, folder.config["ranking"]
    scores = pd.read_parquet(folder.path / "scores.parquet")
    excluded = pd.read_csv(folder.path / "excluded.csv", keep_default_na=False)
    metric = ranking["metric"]
    print_summary(
        console, scores, excluded, method_facts(record), metric, metric_facts(record)[metric], ranking["ties"]
    )


def print_summary(
    console: Console,
    scores: pd.DataFrame,
    excluded: pd.DataFrame,
    methods: Mapping[str, MethodFacts],
    metric: str,
    facts: MetricFacts,
    ties: Ties,
) -> None:
    """Prints :func:`summarize`, the best value of each split in bold, and beneath it what a reader must know."""
    if scores.empty:
        console.print("No image could be ranked; train longer, or see excluded.csv.")
        _print_excluded(console, excluded)
        return
    summary = summarize(scores, methods, metric, facts, ties)
    console.print(_table(summary, methods, facts))
    _print_excluded(console, excluded)
    for split, rows in summary.groupby("split", sort=False):
        cases = rows["n_cases"].max()
        if cases < FEWEST_IMAGES:
            console.print(f"{cases} cases are too few to conclude anything about the {split} split.", highlight=False)
        weak = [methods[method].label for method in rows.loc[rows["beats_chance"].eq(False), "method"]]
        if weak:
            console.print(f"Not shown to be above chance, {split}: {in_words(weak)}.", highlight=False, soft_wrap=True)
    chance = chance_column(metric)
    expected = f"Chance: {scores[chance].mean():.3f}. " if chance in scores else ""
    console.print(f"{expected}One seed is one draw: rank over several seeds.", highlight=False)


def _table(summary: pd.DataFrame, methods: Mapping[str, MethodFacts], facts: MetricFacts) -> Table:
    table = Table(title=f"{facts.label} with the defect mask", title_justify="left", pad_edge=False)
    for column in ("Split", "Method"):
        table.add_column(column)
    for column in (f"Mean {facts.label}", "Win rate", "Images ranked"):
        table.add_column(column, justify="right")
    for split, rows in summary.groupby("split", sort=False):
        best = {"mean": rows["mean"].max() if facts.higher_is_better else rows["mean"].min()}
        best["win_rate"] = rows["win_rate"].max()
        for number, row in enumerate(rows.to_dict("records")):
            cells = [
                f"[bold]{row[name]:.3f}[/bold]" if row[name] == best[name] else f"{row[name]:.3f}" for name in best
            ]
            label = methods[row["method"]].label
            table.add_row(str(split) if number == 0 else "", label, *cells, _counted(row["n_images"], row["n_cases"]))
        table.add_section()
    return table


def _counted(n_images: int, n_cases: int) -> str:
    """Images, and cases where near-duplicates make them fewer."""
    return str(n_images) if n_cases == n_images else f"{n_images} ({count(n_cases, 'case')})"


def _print_excluded(console: Console, excluded: pd.DataFrame) -> None:
    for split in SPLITS:
        console.print(f"Not ranked, {split}: {excluded_counts(excluded, split)}.", highlight=False)


def _is_above_zero(values: pd.Series) -> bool | None:
    """Whether the interval of the mean lies above 0; None where the values are missing."""
    if values.isna().any():
        return None
    if len(values) < 2:
        return False
    margin = student.ppf((1 + LEVEL) / 2, len(values) - 1) * values.std() / np.sqrt(len(values))
    return bool(values.mean() - margin > 0)
