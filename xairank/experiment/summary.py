"""The table a run ends with: how the methods did, on how many images, and what was left out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from xairank.ranking.wins import FEWEST_CASES, Ties, win_shares


def summarize(scores: pd.DataFrame, methods: Sequence[str], ties: Ties) -> pd.DataFrame:
    """A row a split and method: ``mean_overlap``, ``win_rate`` and ``n_images``, both of them means over images."""
    table = scores.assign(win=win_shares(scores, "topk_overlap", ties=ties, methods=methods))
    grouped = table.groupby(["split", "method"], sort=False)
    return grouped.agg(
        mean_overlap=("topk_overlap", "mean"), win_rate=("win", "mean"), n_images=("sample", "nunique")
    ).reset_index()


def excluded_counts(excluded: pd.DataFrame, split: str) -> str:
    """How many images of a split were not ranked, by reason, in words."""
    counts = excluded.loc[excluded["split"] == split, "reason"].value_counts()
    return ", ".join(f"{count} {str(reason).replace('_', ' ')}" for reason, count in counts.items()) or "none"


def print_run(console: Console, folder: Path, config: Mapping[str, Any]) -> None:
    """Prints the summary of a complete run from its files."""
    scores, excluded = pd.read_parquet(folder / "scores.parquet"), pd.read_csv(folder / "excluded.csv")
    print_summary(console, scores, excluded, list(config["attribution"]["methods"]), config["ranking"]["ties"])


def print_summary(
    console: Console, scores: pd.DataFrame, excluded: pd.DataFrame, methods: Sequence[str], ties: Ties
) -> None:
    """Prints :func:`summarize`, the best value of each split in bold, and beneath it what a reader must know."""
    if scores.empty:
        console.print("No image could be ranked; train longer, or see excluded.csv.")
        _print_excluded(console, excluded)
        return
    summary = summarize(scores, methods, ties)
    table = Table(title="Top-K Overlap with the defect mask", title_justify="left", pad_edge=False)
    for column in ("Split", "Method"):
        table.add_column(column)
    for column in ("Mean overlap", "Win rate", "Images ranked"):
        table.add_column(column, justify="right")
    for split in summary["split"].unique():
        rows = summary[summary["split"] == split]
        best = rows[["mean_overlap", "win_rate"]].max()
        for number, row in enumerate(rows.itertuples()):
            cells = [
                f"[bold]{value:.3f}[/bold]" if value == best[name] else f"{value:.3f}"
                for name, value in (("mean_overlap", row.mean_overlap), ("win_rate", row.win_rate))
            ]
            table.add_row(split if number == 0 else "", str(row.method), *cells, str(row.n_images))
        table.add_section()
    console.print(table)
    _print_excluded(console, excluded)
    for split in summary["split"].unique():
        if (n_images := summary.loc[summary["split"] == split, "n_images"].max()) < FEWEST_CASES:
            console.print(f"{n_images} images are too few to conclude anything about the {split} split.")
    chance = (scores["k"] / scores["n_pixels"]).mean()
    console.print(f"Chance overlap: {chance:.3f}. One seed is one draw: rank over several seeds.", highlight=False)


def _print_excluded(console: Console, excluded: pd.DataFrame) -> None:
    for split in ("train", "test"):
        console.print(f"Not ranked, {split}: {excluded_counts(excluded, split)}.", highlight=False)
