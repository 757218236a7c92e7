"""Tests between each two methods: differences, effect sizes, p-values, verdicts."""

from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from xairank.ranking.bootstrap import Resamples, bootstrap_interval, draw_resamples, two_way_p
from xairank.ranking.cases import case_matrices
from xairank.ranking.wins import DECIMALS
from xairank.schema import MetricFacts

ALPHA = 0.05
DIFFER, ON_THESE_SEEDS, NOT_SHOWN, TOO_FEW = "differ", "differ on these seeds", "not shown to differ", ""
CONTRADICTORY = "ranks and scores disagree"
_MOST_EXACT = 50  # values whose signs are counted exactly, as in SciPy without ties
_P_VALUES = ("wilcoxon_p", "holm_p", "nemenyi_p", "two_way_p")


def compare_pairs(
    cases: pd.DataFrame, mean_ranks: pd.Series, scores: pd.DataFrame, metric: str, facts: MetricFacts
) -> pd.DataFrame:
    """A row a pair, with its differences and effect sizes, before any test.

    Args:
        cases: Scores, cases by methods, the method of the best mean rank first.
        mean_ranks: Of these methods.
        scores: Rows of ``scores.parquet``.
        metric: The column that is compared.
        facts: Of the metric.
    """
    matrices = case_matrices(scores, metric)
    resamples = draw_resamples(scores["seed"].nunique(), len(cases))
    rows = [
        _compare_pair(pair, cases, mean_ranks, matrices, resamples, facts) for pair in combinations(cases.columns, 2)
    ]
    columns = ["method", "other", "difference", "difference_low", "difference_high", "rank_difference", "rank_biserial"]
    return pd.DataFrame(rows, columns=[*columns, *_P_VALUES]).assign(verdict=TOO_FEW)


def decide_pairs(pairs: pd.DataFrame, cases: pd.DataFrame, friedman_p: float, facts: MetricFacts) -> pd.DataFrame:
    """The pairs with their p-values and verdicts.

    Args:
        pairs: As of :func:`compare_pairs`.
        cases: Scores, cases by methods.
        friedman_p: Of all methods.
        facts: Of the metric.
    """
    wilcoxon_p = np.array(
        [wilcoxon(differences(cases, *pair)) for pair in zip(pairs["method"], pairs["other"], strict=True)]
    )
    holm_p = holm(wilcoxon_p)
    n_cases, n_methods = cases.shape
    nemenyi_p = stats.studentized_range.sf(
        pairs["rank_difference"] / _rank_error(n_cases, n_methods), n_methods, np.inf
    )
    both_p = holm(pairs["two_way_p"].to_numpy())
    significant = (holm_p < ALPHA) & (n_methods == 2 or friedman_p < ALPHA)
    # The better mean rank may belong to a method that wins often by little and loses seldom by much.
    better = pairs["difference"] * (1 if facts.higher_is_better else -1)
    opposed = significant & ((better < 0) | (pairs["rank_biserial"] < 0))
    verdict = np.select(
        [opposed, significant & (both_p < ALPHA), significant], [CONTRADICTORY, DIFFER, ON_THESE_SEEDS], NOT_SHOWN
    )
    found = dict(zip(_P_VALUES, (wilcoxon_p, holm_p, nemenyi_p.clip(0, 1), both_p), strict=True))
    return pairs.assign(**found, verdict=verdict)


def critical_difference(n_cases: int, n_methods: int) -> float:
    """Nemenyi's critical difference of mean ranks at 5 % (Demsar 2006, Journal of Machine Learning Research 7).

    Example:
        >>> round(critical_difference(16, 3), 2)
        0.83
    """
    return _critical_range(n_methods) * _rank_error(n_cases, n_methods)


def rank_biserial(values: NDArray[np.float64]) -> float:
    """Matched-pairs rank-biserial correlation in [-1, 1]: (favourable - unfavourable) / total rank sum (Kerby 2014)."""
    values = values[values != 0]
    if len(values) == 0:
        return 0.0
    ranks = stats.rankdata(np.abs(values))
    return float((ranks * np.sign(values)).sum() / ranks.sum())


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Holm's step-down correction (1979), in the order given.

    Example:
        >>> holm(np.array([0.03, 0.01, 0.02])).round(2).tolist()
        [0.04, 0.03, 0.04]
    """
    order = np.argsort(p_values)
    stepped = p_values[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty_like(p_values)
    corrected[order] = np.maximum.accumulate(stepped).clip(max=1)
    return corrected


def wilcoxon(values: NDArray[np.float64]) -> float:
    """Two-sided p of Wilcoxon's signed-rank test (1945); 1 where no case differs.

    Zeros are left out, ties get their mean rank. Up to fifty values the p-value is exact: the distribution of the rank
    sum when each sign is as likely as the other, given the ranks, ties and all, counted rank by rank. SciPy's counts
    are exact only without ties, or by going through all signs of up to 13 values, which takes seconds.

    Example:
        >>> wilcoxon(np.array([0.1, 0.1, 0.2, 0.3, 0.5]))  # all of one sign: 2 / 2**5
        0.0625
    """
    values = values[values != 0]
    if not len(values):
        return 1.0
    if len(values) > _MOST_EXACT:
        return float(stats.wilcoxon(values, method="asymptotic").pvalue)
    ranks = np.rint(2 * stats.rankdata(np.abs(values))).astype(int)  # doubled, so that those of ties are whole
    ways = np.zeros(ranks.sum() + 1)  # in how many ways signs give each sum of the positive ranks
    ways[0] = 1
    for rank in ranks:
        ways[rank:] += ways[:-rank].copy()
    found = ranks[values > 0].sum()
    tail = min(ways[: found + 1].sum(), ways[found:].sum()) / 2.0 ** len(values)
    return float(min(1.0, 2 * tail))


def differences(cases: pd.DataFrame, method: str, other: str) -> NDArray[np.float64]:
    """Differences of two methods, one a case."""
    return (cases[method] - cases[other]).round(DECIMALS).to_numpy()


def _compare_pair(
    pair: tuple[str, str],
    cases: pd.DataFrame,
    mean_ranks: pd.Series,
    matrices: dict[str, NDArray[np.float64]],
    resamples: Resamples,
    facts: MetricFacts,
) -> dict[str, Any]:
    method, other = pair
    values = matrices[method] - matrices[other]
    widest = np.inf if facts.low is None or facts.high is None else facts.high - facts.low
    mean, low, high = bootstrap_interval(values, resamples, -widest, widest)
    favourable = 1 if facts.higher_is_better else -1
    return {
        "method": method,
        "other": other,
        "difference": float(mean),
        "difference_low": float(low),
        "difference_high": float(high),
        "two_way_p": two_way_p(values),
        "rank_difference": mean_ranks[other] - mean_ranks[method],
        "rank_biserial": rank_biserial(favourable * differences(cases, method, other)),
    }


@cache
def _critical_range(n_methods: int) -> float:
    return float(stats.studentized_range.ppf(1 - ALPHA, n_methods, np.inf))


def _rank_error(n_cases: int, n_methods: int) -> float:
    """Standard error of a mean rank when no method is better than another."""
    return float(np.sqrt(n_methods * (n_methods + 1) / (12 * n_cases)))
