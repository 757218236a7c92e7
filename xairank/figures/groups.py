"""The runs that belong together: one group of a sweep with its scores, and the words that say what it rests on."""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from xairank.figures.style import SPLITS, MethodStyle, in_order, method_styles
from xairank.names import count, in_words
from xairank.runs.sweep import Sweep

_ADJECTIVES = {"train": "training", "test": "test"}


@dataclass(frozen=True)
class Group:
    """What a sweep holds of one group; ``name`` and ``suffix`` of file names are empty where there is only one.

    Attributes:
        styles: Of this group's methods, the same for a method in every group of the sweep.
    """

    name: str
    suffix: str
    scores: pd.DataFrame
    metrics: pd.DataFrame
    excluded: pd.DataFrame
    runs: pd.DataFrame
    styles: dict[str, MethodStyle]

    @property
    def splits(self) -> list[str]:
        """The splits with ranked images, train before test."""
        found = set(self.scores["split"])
        return [split for split in SPLITS if split in found]

    @property
    def all_images(self) -> pd.DataFrame:
        """``split`` and ``sample`` of every image, ranked or not."""
        columns = ["split", "sample"]
        return pd.concat([self.scores[columns], self.excluded[columns]]).drop_duplicates()

    def basis(self, images: pd.DataFrame, verb: str = " ranked") -> str:
        """How many seeds, folds and distinct ``images`` a figure rests on, and which group it shows."""
        numbers = images.groupby("split")["sample"].nunique()
        parts = [f"{numbers[split]:,} {_ADJECTIVES[split]}" for split in SPLITS if split in numbers]
        noun = "image" if numbers.sum() == 1 else "images"
        folds = self.runs["fold"].nunique()
        runs = count(self.runs["seed"].nunique(), "seed") + (f", {count(folds, 'fold')}" if folds > 1 else "")
        return self.signed(f"{runs}; {in_words(parts)} {noun}{verb}")

    def run_basis(self, run: pd.Series) -> str:
        """Which of the runs a figure shows."""
        fold = f", fold {run['fold']}" if self.runs["fold"].nunique() > 1 else ""
        return self.signed(f"seed {run['seed']}{fold}")

    def signed(self, text: str) -> str:
        """The text with the group's name, where there are several."""
        return f"{text}; {self.name}." if self.name else f"{text}."

    def scores_of(self, run: pd.Series) -> pd.DataFrame:
        """The scores of one run."""
        return _of_run(self.scores, run)

    def excluded_of(self, run: pd.Series) -> pd.DataFrame:
        """What one run excluded."""
        return _of_run(self.excluded, run)


def split_groups(sweep: Sweep) -> list[Group]:
    """The groups of a sweep, in order."""
    names = sweep.groups
    styles = method_styles(sweep.scores["method"])
    return [_group(sweep, name, styles, alone=len(names) == 1) for name in names]


def maps_path(run: pd.Series) -> Path:
    """Where a run keeps its maps, if it does."""
    return Path(run["folder"]) / "maps.npz"


def _group(sweep: Sweep, name: str, styles: dict[str, MethodStyle], *, alone: bool) -> Group:
    parts = (sweep.scores, sweep.metrics, sweep.excluded, sweep.runs)
    scores, metrics, excluded, runs = (part[part["group"] == name] for part in parts)
    label = "" if alone else name
    suffix = re.sub(r"[^\w.=+-]+", "-", f"_{label}") if label else ""
    own = {method: styles[method] for method in in_order(scores["method"])}
    return Group(label, suffix, scores, metrics, excluded, runs, own)


def _of_run(table: pd.DataFrame, run: pd.Series) -> pd.DataFrame:
    same_fold = table["fold"].isna() if pd.isna(run["fold"]) else (table["fold"] == run["fold"]).fillna(False)
    return table[(table["seed"] == run["seed"]) & same_fold]
