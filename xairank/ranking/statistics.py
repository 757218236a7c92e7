"""What a ranking of methods rests on: means with intervals, tests between methods, effect sizes.

The unit of every test is the image, its overlaps averaged over seeds and folds: one image under ten seeds is not ten
independent cases. Scores are rows of ``scores.parquet`` of one group and one split.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from xairank.ranking.bootstrap import Interval, Resamples, bootstrap_interval, draw_resamples, rate_interval
from xairank.ranking.wins import DECIMALS, Ties, mid_ranks, win_shares

ALPHA = 0.05
# With five images even five differences of one sign have p = 0.0625 in Wilcoxon's test.
FEWEST_IMAGES = 6


@dataclass(frozen=True)
class Comparison:
    """Tests between the methods of one group and split.

    Attributes:
        n_seeds: Number of seeds.
        n_images: Number of images, each averaged over seeds.
        mean_ranks: Mean over images of the mid-rank of each method, best first; 1 is the best possible.
        friedman_statistic: Chi-square of Friedman's test; NaN for fewer than three methods or six images.
        friedman_p: Its p-value.
        critical_difference: Nemenyi's: mean ranks that differ by less are not told apart at 5 %; NaN for fewer than two
            methods or six images.
        pairs: A row a pair of methods, the one with the better mean rank first: ``method``, ``other``; the difference
            of mean overlaps ``difference`` with its interval ``difference_low``, ``difference_high``;
            ``rank_difference``; ``rank_biserial`` in [-1, 1]; ``wilcoxon_p``, ``holm_p``, ``nemenyi_p``; ``verdict``,
            see :func:`compare_methods`.
    """

    n_seeds: int
    n_images: int
    mean_ranks: pd.Series
    friedman_statistic: float
    friedman_p: float
    critical_difference: float
    pairs: pd.DataFrame


def summarize_methods(scores: pd.DataFrame, ties: Ties = "shared") -> pd.DataFrame:
    """A row a method: ``overlap``, ``chance_corrected``, ``rank`` and ``win_rate`` with limits ``_low`` and ``_high``.

    Means are over seeds of the mean over the images each ranked, as in the paper; intervals are those of
    :mod:`xairank.ranking.bootstrap`. Also ``chance``, the overlap of a random map, ``n_seeds`` and ``n_images``.
    """
    table = scores.assign(
        chance_corrected=chance_corrected(scores), rank=mid_ranks(scores), win=win_shares(scores, ties)
    )
    methods = _methods(scores)
    n_seeds, n_images = scores["seed"].nunique(), scores["sample"].nunique()
    resamples = draw_resamples(n_seeds, n_images)
    matrices = {name: _matrices(table, name) for name in ("topk_overlap", "chance_corrected", "rank", "win")}
    rows = []
    for method in methods:
        overlap, corrected, rank, win = (matrix[method] for matrix in matrices.values())
        measures = {
            "overlap": bootstrap_interval(overlap, resamples, 0, 1),
            "chance_corrected": bootstrap_interval(corrected, resamples, high=1),
            "rank": _rank_interval(rank, len(methods)),
            "win_rate": rate_interval(win),
        }
        rows.append({"method": method, **_columns(measures), "n_seeds": n_seeds, "n_images": n_images})
    chance = (scores["k"] / scores["n_pixels"]).groupby(scores["sample"]).mean().mean()
    return pd.DataFrame(rows).assign(chance=chance)


def chance_corrected(scores: pd.DataFrame, metric: str = "topk_overlap") -> pd.Series:
    """(overlap - K/N) / (1 - K/N): 0 is a random map, 1 a perfect one, below 0 is worse than random."""
    chance = scores["k"] / scores["n_pixels"]
    return ((scores[metric] - chance) / (1 - chance)).where(chance < 1, 0.0)


def compare_methods(scores: pd.DataFrame) -> Comparison:
    """Friedman's test, then Wilcoxon's signed-rank test of each pair with Holm's correction, and Nemenyi's.

    The tests take the trained models as given and images as the sample; the interval of a pair's difference also counts
    the seeds. So a pair's verdict is

    - ``differ``: Friedman's and Holm's p are below 5 % and the interval excludes 0;
    - ``differ on these seeds``: the p-values are, but the interval, which allows for other seeds, includes 0;
    - ``tied``: a p-value is not;
    - an empty text where there are fewer than six images, which cannot decide.
    """
    images = image_means(scores)
    ranks = images.rank(axis=1, ascending=False)
    mean_ranks = ranks.mean().sort_values(kind="stable")
    images = images[mean_ranks.index]
    n_images, n_methods = images.shape
    enough = n_images >= FEWEST_IMAGES and n_methods > 1
    statistic, p = _friedman(images) if enough and n_methods > 2 else (np.nan, np.nan)
    pairs = _compare_pairs(images, mean_ranks, scores)
    if enough:
        pairs = _test_pairs(pairs, images, friedman_p=p)
    difference = critical_difference(n_images, n_methods) if enough else np.nan
    return Comparison(scores["seed"].nunique(), n_images, mean_ranks, statistic, p, difference, pairs)


def image_means(scores: pd.DataFrame, metric: str = "topk_overlap") -> pd.DataFrame:
    """Images by methods: the mean over the seeds and folds that ranked the image."""
    means = scores.pivot_table(index="sample", columns="method", values=metric, aggfunc="mean")
    return means[_methods(scores)].round(DECIMALS)


def critical_difference(n_images: int, n_methods: int) -> float:
    """Nemenyi's critical difference of mean ranks at 5 % (Demsar 2006, Journal of Machine Learning Research 7).

    Example:
        >>> round(critical_difference(16, 3), 2)
        0.83
    """
    return float(stats.studentized_range.ppf(1 - ALPHA, n_methods, np.inf) * _rank_error(n_images, n_methods))


def rank_biserial(differences: NDArray[np.float64]) -> float:
    """Matched-pairs rank-biserial correlation in [-1, 1]: (favourable - unfavourable) / total rank sum (Kerby 2014)."""
    differences = differences[differences != 0]
    if len(differences) == 0:
        return 0.0
    ranks = stats.rankdata(np.abs(differences))
    return float((ranks * np.sign(differences)).sum() / ranks.sum())


def _compare_pairs(images: pd.DataFrame, mean_ranks: pd.Series, scores: pd.DataFrame) -> pd.DataFrame:
    matrices = _matrices(scores, "topk_overlap")
    shape = next(iter(matrices.values())).shape
    resamples = draw_resamples(*shape)
    rows = [_compare_pair(pair, images, mean_ranks, matrices, resamples) for pair in combinations(images.columns, 2)]
    columns = ["method", "other", "difference", "difference_low", "difference_high", "rank_difference", "rank_biserial"]
    tests: dict[str, Any] = {"wilcoxon_p": np.nan, "holm_p": np.nan, "nemenyi_p": np.nan, "verdict": ""}
    return pd.DataFrame(rows, columns=columns).assign(**tests)


def _compare_pair(
    pair: tuple[str, str],
    images: pd.DataFrame,
    mean_ranks: pd.Series,
    matrices: dict[str, NDArray[np.float64]],
    resamples: Resamples,
) -> dict[str, Any]:
    method, other = pair
    difference = bootstrap_interval(matrices[method] - matrices[other], resamples, -1, 1)
    return {
        "method": method,
        "other": other,
        **_columns({"difference": difference}),
        "rank_difference": mean_ranks[other] - mean_ranks[method],
        "rank_biserial": rank_biserial(_differences(images, method, other)),
    }


def _test_pairs(pairs: pd.DataFrame, images: pd.DataFrame, friedman_p: float) -> pd.DataFrame:
    from statsmodels.stats.multitest import multipletests

    wilcoxon_p = [_wilcoxon(_differences(images, *pair)) for pair in zip(pairs["method"], pairs["other"], strict=True)]
    holm_p = multipletests(wilcoxon_p, method="holm")[1]
    n_images, n_methods = images.shape
    nemenyi_p = stats.studentized_range.sf(
        pairs["rank_difference"] / _rank_error(n_images, n_methods), n_methods, np.inf
    )
    other_seeds = (pairs["difference_low"] <= 0) & (pairs["difference_high"] >= 0)
    significant = (holm_p < ALPHA) & (n_methods == 2 or friedman_p < ALPHA)
    verdict = np.select([~significant, other_seeds], ["tied", "differ on these seeds"], "differ")
    return pairs.assign(wilcoxon_p=wilcoxon_p, holm_p=holm_p, nemenyi_p=nemenyi_p.clip(0, 1), verdict=verdict)


def _friedman(images: pd.DataFrame) -> tuple[float, float]:
    if (images.nunique(axis=1) == 1).all():
        return 0.0, 1.0
    found = stats.friedmanchisquare(*images.to_numpy().T)
    return float(found.statistic), float(found.pvalue)


def _wilcoxon(differences: NDArray[np.float64]) -> float:
    if not differences.any():
        return 1.0
    return float(stats.wilcoxon(differences).pvalue)


def _differences(images: pd.DataFrame, method: str, other: str) -> NDArray[np.float64]:
    return (images[method] - images[other]).round(DECIMALS).to_numpy()


def _rank_error(n_images: int, n_methods: int) -> float:
    """Standard error of a mean rank when no method is better than another."""
    return float(np.sqrt(n_methods * (n_methods + 1) / (12 * n_images)))


def _rank_interval(ranks: NDArray[np.float64], n_methods: int) -> Interval:
    if n_methods == 1:
        return Interval(1.0, np.nan, np.nan)
    shares = rate_interval((ranks - 1) / (n_methods - 1))
    return Interval(*(1 + (n_methods - 1) * limit for limit in shares))


def _matrices(scores: pd.DataFrame, column: str) -> dict[str, NDArray[np.float64]]:
    """Each method's values (seeds, images), averaged over folds, NaN where a seed did not rank an image."""
    wide = scores.pivot_table(index="seed", columns=["method", "sample"], values=column, aggfunc="mean")
    return {method: wide[method].to_numpy() for method in _methods(scores)}


def _methods(scores: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(scores["method"]))


def _columns(intervals: dict[str, Interval]) -> dict[str, float]:
    limits = {"mean": "", "low": "_low", "high": "_high"}
    return {
        f"{name}{suffix}": float(getattr(interval, limit))
        for name, interval in intervals.items()
        for limit, suffix in limits.items()
    }
