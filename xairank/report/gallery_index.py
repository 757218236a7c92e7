"""What the gallery's page knows of each image before it is opened: the numbers to filter and to sort by."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from xairank.ranking.wins import win_shares
from xairank.runs.group import Group, network_name
from xairank.schema import EMPTY_MASK, GOOD, MISCLASSIFIED, NOT_RELIED_ON

RANKED = "ranked"
# What became of an image, and what a reader should know of it.
OUTCOMES = {
    RANKED: ("Ranked", ""),
    GOOD: ("Good", "A good image has no defect that a map could be compared with, so none was made."),
    MISCLASSIFIED: ("Misclassified", "Only defects that are classified correctly are explained."),
    EMPTY_MASK: ("Mask out of view", "The crop leaves nothing of the defect, so there is nothing to compare with."),
    NOT_RELIED_ON: ("Not relied on", "The model does not use this defect (ranking.relied_on), so it does not count."),
}


class Image(NamedTuple):
    """An image of a group: its key and class, and by the number of each run what it made of it."""

    sample: str
    label: str
    runs: dict[int, dict[str, Any]]


def run_labels(group: Group) -> list[str]:
    """What each run of a group is called."""
    folds = group.runs["fold"].nunique() > 1
    labels = []
    for _, run in group.runs.iterrows():
        name = network_name(run["config"]) if group.ranked_only else f"seed {run['seed']}"
        labels.append(f"{name}, fold {run['fold']}" if folds else name)
    repeated = len(set(labels)) < len(labels)
    return [f"{label} ({number})" for number, label in enumerate(labels, 1)] if repeated else labels


def list_images(group: Group) -> list[Image]:
    """Every image of a group, ranked or not, by class and key.

    A run's record holds ``run`` (its number), ``split``, ``outcome``, ``predicted`` and, of ranked images,
    ``probability``, ``k``, ``size`` (the defect's share of the view), and ``scores`` and ``wins`` of the methods in
    their order.
    """
    images: dict[str, Image] = {}
    for sample, label, record in (*_ranked(group), *_excluded(group)):
        images.setdefault(sample, Image(sample, label, {})).runs[record["run"]] = record
    return sorted(images.values(), key=lambda image: (image.label == GOOD, image.label, image.sample))


def number_or_none(value: float, digits: int = 6) -> float | None:
    """A number as JSON has it."""
    return round(float(value), digits) if math.isfinite(value) else None


def _ranked(group: Group) -> Iterator[tuple[str, str, dict[str, Any]]]:
    facts, methods = group.metric_facts, list(group.methods)
    order = {"ties": group.ties, "methods": methods, "higher_is_better": facts.higher_is_better}
    table = group.scores.assign(win=win_shares(group.scores, group.metric, **order))
    numbers = _numbers(group)
    for (seed, fold, sample), rows in table.groupby(["seed", "fold", "sample"], sort=False, dropna=False):
        first, of_method = rows.iloc[0], rows.set_index("method")
        scores, wins = of_method[group.metric].reindex(methods), of_method["win"].reindex(methods)
        record = {
            **_record(numbers[_key(seed, fold)], first, RANKED),
            "probability": number_or_none(first["probability"]),
            "k": int(first["k"]),
            "size": round(first["k"] / first["n_pixels"], 6),
            "scores": [number_or_none(score) for score in scores],
            "wins": [number_or_none(win, 4) or 0 for win in wins],
        }
        yield str(sample), first["label"], record


def _excluded(group: Group) -> Iterator[tuple[str, str, dict[str, Any]]]:
    numbers = _numbers(group)
    for row in group.excluded.to_dict("records"):
        yield row["sample"], row["label"], _record(numbers[_key(row["seed"], row["fold"])], row, row["reason"])


def _record(run: int, row: Any, outcome: str) -> dict[str, Any]:  # noqa: ANN401  # a row of a table
    return {"run": run, "split": row["split"], "outcome": outcome, "predicted": row["predicted"]}


def _numbers(group: Group) -> dict[tuple[int, int | None], int]:
    """The number of each run by seed and fold."""
    runs = zip(group.runs["seed"], group.runs["fold"], strict=True)
    return {_key(seed, fold): number for number, (seed, fold) in enumerate(runs)}


def _key(seed: Any, fold: Any) -> tuple[int, int | None]:  # noqa: ANN401
    return int(seed), None if pd.isna(fold) else int(fold)
