"""Scores of maps that were blurred, or made at other layers: does the order of the methods depend on it?"""

from collections.abc import Collection, Mapping
from itertools import groupby
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xairank.names import count, in_words
from xairank.ranking.bootstrap import bootstrap_interval, draw_resamples
from xairank.ranking.cases import case_matrices, case_means
from xairank.ranking.margins import Margin, tested_margins
from xairank.ranking.wins import DECIMALS, FEWEST_CASES
from xairank.schema import MetricFacts

_MOST_PAIRS = 3  # named in a sentence


class _Blurred(NamedTuple):
    """Scores at one blur: each method's (seeds, cases), and cases by methods; larger is better in both."""

    by_seed: dict[str, NDArray[np.float64]]
    by_case: pd.DataFrame


class _Lead(NamedTuple):
    """Who is ahead at one blur.

    Attributes:
        blur: In pixels.
        first: The method of the best mean.
        second: The method of the second best.
        scores: Their means.
        shown: Whether they are shown to differ.
    """

    blur: int
    first: str
    second: str
    scores: tuple[float, float]
    shown: bool


def summarize_levels(rows: pd.DataFrame, metric: str, limits: tuple[float, float]) -> pd.DataFrame:
    """Means with their intervals, a row a level and method: ``level``, ``changed``, ``method``, ``score``.

    Args:
        rows: Of ``variants.parquet``, of one group, split and variant; with those of ``scores.parquet`` as level 0
            where the map itself belongs to it.
        metric: The column that is shown.
        limits: Least and largest value that it can have.
    """
    found = []
    whole = rows.assign(level=rows["level"].astype(int))
    for (level, changed), some in whole.groupby(["level", "changed"], sort=True):
        for method, values in case_matrices(some, metric).items():
            mean, low, high = bootstrap_interval(values, draw_resamples(*values.shape), *limits)
            row = {"level": level, "changed": changed, "method": method}
            found.append({**row, "score": mean, "score_low": low, "score_high": high})
    columns = ["level", "changed", "method", "score", "score_low", "score_high"]
    return pd.DataFrame(found, columns=columns)


def who_leads(rows: pd.DataFrame, metric: str, facts: MetricFacts, labels: Mapping[str, str]) -> str:
    """A sentence on who leads at which blur, and which two methods change places.

    Leading is being shown to differ from the second best, paired case by case (Wilcoxon's and the two-way test, both
    corrected by Holm over the blurs): with two-sided tests at 5 % this is enough to say that the first of many is the
    best (Hung & Fithian, Annals of Statistics 2019). A pair has changed places where the test at that blur shows it,
    corrected over all pairs and blurs whose order is another one than unblurred.

    Args:
        rows: Of ``variants.parquet``, of one group and split, by blur in pixels, with those of ``scores.parquet`` as
            level 0.
        metric: The column that decides.
        facts: Of the metric.
        labels: What the methods are called; others in the rows, such as controls, are left out.

    Returns:
        The sentence; empty for a single method and for fewer than six cases.
    """
    levels = _levels(rows[rows["method"].isin(list(labels))], metric, facts)
    if not levels or any(some.by_case.shape[1] < 2 or len(some.by_case) < FEWEST_CASES for some in levels.values()):
        return ""
    sign = 1 if facts.higher_is_better else -1
    found = _leads(levels, sign)
    clauses = [
        _lead_in_words(list(same), labels, len(levels))
        for _, same in groupby(found, key=lambda lead: (lead.first, lead.shown))
    ]
    told = {(lead.first, lead.second) for lead in found if lead.shown}
    sentence = "; ".join([*clauses, *_turned(levels, sign, labels, told)])
    return f"{sentence[0].upper()}{sentence[1:]}."


def _leads(levels: Mapping[int, _Blurred], sign: int) -> list[_Lead]:
    """Who is ahead at each blur, and whether by more than chance; ``sign`` is -1 where less of the metric is better."""
    found, margins = [], {}
    for level, some in levels.items():
        means = some.by_case.mean().round(DECIMALS).sort_values(ascending=False, kind="stable")
        first, second = map(str, means.index[:2])
        margins[str(level)] = _margin(some, first, second)
        found.append(_Lead(level, first, second, (sign * means[first], sign * means[second]), shown=False))
    shown = tested_margins(margins)["shown"].tolist()
    return [lead._replace(shown=known) for lead, known in zip(found, shown, strict=True)]


def _levels(rows: pd.DataFrame, metric: str, facts: MetricFacts) -> dict[int, _Blurred]:
    sign = 1 if facts.higher_is_better else -1
    signed = rows.assign(**{metric: sign * rows[metric]})
    found = {}
    for level in sorted(set(rows["level"])):
        some = signed[signed["level"] == level]
        found[int(level)] = _Blurred(case_matrices(some, metric), case_means(some, metric))
    return found


def _margin(blurred: _Blurred, method: str, other: str) -> Margin:
    by_case = blurred.by_case[method] - blurred.by_case[other]
    return Margin(blurred.by_seed[method] - blurred.by_seed[other], by_case.to_numpy())


def _lead_in_words(same: list[_Lead], labels: Mapping[str, str], n_levels: int) -> str:
    """One clause for neighbouring blurs with the same method ahead; the scores are those of the first of them."""
    first, blurs = same[0], [lead.blur for lead in same]
    where = f"at a blur of {in_words([str(blur) for blur in blurs if blur])} pixels"
    if len(same) == n_levels > 1:
        where = f"at every blur from 0 to {blurs[-1]} pixels"
    elif blurs[0] == 0:
        where = " and ".join(["unblurred", *([where] if len(blurs) > 1 else [])])
    verb = "leads" if first.shown else "is ahead, not shown to lead"
    example = "" if len(same) == 1 else f"at {blurs[0]} pixels " if blurs[0] else "unblurred "
    values = f"{first.scores[0]:.2f} against {first.scores[1]:.2f} of {labels[first.second]}"
    return f"{where} {labels[first.first]} {verb} ({example}{values})"


def _turned(
    levels: Mapping[int, _Blurred], sign: int, labels: Mapping[str, str], told: Collection[tuple[str, str]]
) -> list[str]:
    """Clauses on pairs whose order at some blur is shown to be another one than unblurred, but those already told."""
    means = {level: some.by_case.mean().round(DECIMALS) for level, some in levels.items()}
    raw = means[0].sort_values(ascending=False, kind="stable")
    margins = {
        (level, lower, upper): _margin(levels[level], lower, upper)
        for place, upper in enumerate(raw.index)
        for lower in raw.index[place + 1 :]
        for level in levels
        if raw[lower] < raw[upper] and means[level][lower] > means[level][upper]
    }
    if not margins:
        return []
    table = tested_margins({str(key): margin for key, margin in margins.items()})
    shown = table[table["shown"].to_numpy()]["difference"].sort_values(ascending=False)
    keys = {str(key): key for key in margins}
    largest: dict[tuple[str, str], int] = {}  # of each pair the blur of the largest difference
    for name in shown.index:
        level, lower, upper = keys[name]
        if (lower, upper) not in told:
            largest.setdefault((lower, upper), level)
    clauses = []
    for (lower, upper), level in list(largest.items())[:_MOST_PAIRS]:
        values = f"{sign * means[level][lower]:.2f} against {sign * means[level][upper]:.2f}"
        unblurred = f"unblurred {sign * raw[lower]:.2f} against {sign * raw[upper]:.2f}"
        clauses.append(f"{labels[lower]} passes {labels[upper]} at {level} pixels ({values}, {unblurred})")
    more = max(len(largest) - _MOST_PAIRS, 0)
    return [*clauses, *([f"{count(more, 'more pair')} that changed places"] if more else [])]
