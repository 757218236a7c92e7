"""What a ranking of methods rests on: means with intervals, tests between methods, effect sizes.

The unit of every statistic is the case, an image with its near-duplicates: means over the images of a case within a
seed come first. Tests average a case over seeds too: one image under ten seeds is not ten independent cases. Scores
are rows of ``scores.parquet`` of one group and one split.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from xairank.ranking.bootstrap import Interval, bootstrap_interval, draw_resamples, rate_interval
from xairank.ranking.cases import case_matrices, case_means
from xairank.ranking.chance import above_chance, against_chance, chance_corrected, knows_chance
from xairank.ranking.pairs import compare_pairs, critical_difference, decide_pairs
from xairank.ranking.wins import FEWEST_CASES, Ties, mid_ranks, win_shares
from xairank.schema import MetricFacts, chance_column

_UNKNOWN = Interval(np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Comparison:
    """Tests between the methods of one group and split.

    Attributes:
        n_seeds: Number of seeds.
        n_images: Number of images.
        n_cases: Number of cases, each averaged over its images and over seeds.
        mean_ranks: Mean over cases of the mid-rank of each method, best first; 1 is the best possible.
        friedman_statistic: Chi-square of Friedman's test; NaN for fewer than three methods or six cases.
        friedman_p: Its p-value.
        critical_difference: Nemenyi's: mean ranks that differ by less are not shown to differ at 5 %; NaN for fewer
            than two methods or six cases.
        pairs: A row a pair of methods, the one with the better mean rank first: ``method``, ``other``; the difference
            of mean scores ``difference`` with its interval ``difference_low``, ``difference_high``;
            ``rank_difference``; ``rank_biserial`` in [-1, 1]; ``wilcoxon_p``, ``holm_p``, ``nemenyi_p``, ``two_way_p``
            and ``verdict``, see :func:`compare_methods`.
    """

    n_seeds: int
    n_images: int
    n_cases: int
    mean_ranks: pd.Series
    friedman_statistic: float
    friedman_p: float
    critical_difference: float
    pairs: pd.DataFrame


def summarize_methods(
    scores: pd.DataFrame,
    metric: str,
    facts: MetricFacts,
    ties: Ties = "shared",
    methods: Sequence[str] | None = None,
) -> pd.DataFrame:
    """A row a method: ``score``, ``chance_corrected``, ``rank`` and ``win_rate`` with limits ``_low`` and ``_high``.

    Means are over seeds of the mean over the cases each ranked, as in the paper where every image is a case; intervals
    are those of :mod:`xairank.ranking.bootstrap`, over cases alone where there is one seed. Also ``chance``, the score
    of a random map; ``against_chance``, see :func:`xairank.ranking.chance.against_chance`; ``n_seeds``, ``n_images``
    and ``n_cases``.

    Args:
        scores: Of one group and split.
        metric: The column that decides.
        facts: Of the metric.
        ties: How ties share a win.
        methods: Their order, where the first method wins ties and in the result; by default as they appear.
    """
    order = list(dict.fromkeys(scores["method"])) if methods is None else list(methods)
    better = facts.higher_is_better
    table = scores.assign(
        chance_corrected=chance_corrected(scores, metric, facts),
        above_chance=above_chance(scores, metric, facts),
        rank=mid_ranks(scores, metric, higher_is_better=better),
        win=win_shares(scores, metric, higher_is_better=better, ties=ties, methods=order),
    )
    counts = {f"n_{name}s": scores[name].nunique() for name in ("seed", "sample", "case")}
    counts["n_images"] = counts.pop("n_samples")
    resamples = draw_resamples(counts["n_seeds"], counts["n_cases"])
    names = (metric, "chance_corrected", "above_chance", "rank", "win")
    matrices = {name: case_matrices(table, name) for name in names}
    low, high = _limit(facts.low, -np.inf), _limit(facts.high, np.inf)
    known = knows_chance(scores, metric)
    corrects = known and facts.best is not None
    chance = float(_over_cases(scores, chance_column(metric))) if known else np.nan
    rows = []
    for method in [method for method in order if method in matrices[metric]]:
        score, corrected, above, rank, win = (matrices[name][method] for name in names)
        measures = {
            "score": bootstrap_interval(score, resamples, low, high),
            "chance_corrected": bootstrap_interval(corrected, resamples, high=1) if corrects else _UNKNOWN,
            "rank": _rank_interval(rank, len(order)),
            "win_rate": rate_interval(win),
        }
        margin = (
            measures["chance_corrected"] if corrects else bootstrap_interval(above, resamples) if known else _UNKNOWN
        )
        verdict = against_chance(margin, counts["n_cases"])
        rows.append({"method": method, **_columns(measures), **counts, "chance": chance, "against_chance": verdict})
    return pd.DataFrame(rows)


def compare_methods(scores: pd.DataFrame, metric: str, facts: MetricFacts) -> Comparison:
    """Friedman's test, then Wilcoxon's signed-rank test of each pair with Holm's correction, and Nemenyi's.

    These tests take the trained models as given and cases as the sample. Methods that swap places from seed to seed
    pass them all the same, so ``two_way_p`` (:func:`xairank.ranking.bootstrap.two_way_p`, with Holm's correction) tests
    the difference of mean scores for other seeds too. A pair's verdict is

    - ``differ``: Friedman's p, Holm's p and the two-way p are below 5 %;
    - ``differ on these seeds``: all but the two-way p are;
    - ``ranks and scores disagree``: they are, but the method of the better mean rank has the worse mean score, or loses
      by more than it wins by: which is better depends on what counts;
    - ``not shown to differ``: the others;
    - an empty text where there are fewer than six cases, which cannot decide.
    """
    cases = case_means(scores, metric)
    mean_ranks = rank_methods(cases, facts)
    cases = cases[mean_ranks.index]
    n_cases, n_methods = cases.shape
    enough = n_cases >= FEWEST_CASES and n_methods > 1
    statistic, p = _friedman(cases) if enough and n_methods > 2 else (np.nan, np.nan)
    pairs = compare_pairs(cases, mean_ranks, scores, metric, facts)
    pairs = decide_pairs(pairs, cases, p, facts) if enough else pairs.assign(two_way_p=np.nan)
    difference = critical_difference(n_cases, n_methods) if enough else np.nan
    n_seeds, n_images = scores["seed"].nunique(), scores["sample"].nunique()
    return Comparison(n_seeds, n_images, n_cases, mean_ranks, statistic, p, difference, pairs)


def rank_methods(cases: pd.DataFrame, facts: MetricFacts) -> pd.Series:
    """Mean over cases of the mid-rank of each method, best first.

    Args:
        cases: Scores, cases by methods.
        facts: Of the metric.
    """
    return cases.rank(axis=1, ascending=not facts.higher_is_better).mean().sort_values(kind="stable")


def _friedman(cases: pd.DataFrame) -> tuple[float, float]:
    values = cases.to_numpy()
    if (values == values[:, :1]).all():
        return 0.0, 1.0
    found = stats.friedmanchisquare(*values.T)
    return float(found.statistic), float(found.pvalue)


def _rank_interval(ranks: NDArray[np.float64], n_methods: int) -> Interval:
    if n_methods == 1:
        return Interval(1.0, np.nan, np.nan)
    shares = rate_interval((ranks - 1) / (n_methods - 1))
    return Interval(*(1 + (n_methods - 1) * limit for limit in shares))


def _over_cases(scores: pd.DataFrame, column: str) -> float:
    """Mean over cases of the mean over their images."""
    images = scores.groupby(["case", "sample"], sort=False)[column].mean()
    return float(images.groupby("case", sort=False).mean().mean())


def _limit(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _columns(intervals: dict[str, Interval]) -> dict[str, float]:
    limits = {"mean": "", "low": "_low", "high": "_high"}
    return {
        f"{name}{suffix}": float(getattr(interval, limit))
        for name, interval in intervals.items()
        for limit, suffix in limits.items()
    }
