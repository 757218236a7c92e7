"""What a ranking of methods rests on: means with intervals, tests between methods, effect sizes.

The unit of every test is the image, its overlaps averaged over seeds and folds: one image under ten seeds is not ten
independent cases. Scores are rows of ``scores.parquet`` of one group and one split.
"""

from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from xairank.ranking.bootstrap import Interval, Resamples, bootstrap_interval, draw_resamples, rate_interval, two_way_p
from xairank.ranking.wins import DECIMALS, FEWEST_IMAGES, Ties, mid_ranks, win_shares

ALPHA = 0.05
_P_VALUES = ("wilcoxon_p", "holm_p", "nemenyi_p", "two_way_p")


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
            ``rank_difference``; ``rank_biserial`` in [-1, 1]; ``wilcoxon_p``, ``holm_p``, ``nemenyi_p``, ``two_way_p``
            and ``verdict``, see :func:`compare_methods`.
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
    matrices = [_matrices(table, name).values() for name in ("topk_overlap", "chance_corrected", "rank", "win")]
    rows = []
    for method, overlap, corrected, rank, win in zip(methods, *matrices, strict=True):
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

    These tests take the trained models as given and images as the sample. Methods that swap places from seed to seed
    pass them all the same, so ``two_way_p`` (:func:`xairank.ranking.bootstrap.two_way_p`, with Holm's correction) tests
    the difference of mean overlaps for other seeds too. A pair's verdict is

    - ``differ``: Friedman's p, Holm's p and the two-way p are below 5 %;
    - ``differ on these seeds``: all but the two-way p are;
    - ``tied``: the others;
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
    pairs = _test_pairs(pairs, images, friedman_p=p) if enough else pairs.assign(two_way_p=np.nan)
    difference = critical_difference(n_images, n_methods) if enough else np.nan
    return Comparison(scores["seed"].nunique(), n_images, mean_ranks, statistic, p, difference, pairs)


def image_means(scores: pd.DataFrame, metric: str = "topk_overlap") -> pd.DataFrame:
    """Images by methods: the mean over the seeds and folds that ranked the image."""
    means, (samples, methods) = _means(scores, metric, ["sample", "method"])
    return pd.DataFrame(means, index=samples, columns=methods).round(DECIMALS).sort_index()


def critical_difference(n_images: int, n_methods: int) -> float:
    """Nemenyi's critical difference of mean ranks at 5 % (Demsar 2006, Journal of Machine Learning Research 7).

    Example:
        >>> round(critical_difference(16, 3), 2)
        0.83
    """
    return _critical_range(n_methods) * _rank_error(n_images, n_methods)


def rank_biserial(differences: NDArray[np.float64]) -> float:
    """Matched-pairs rank-biserial correlation in [-1, 1]: (favourable - unfavourable) / total rank sum (Kerby 2014)."""
    differences = differences[differences != 0]
    if len(differences) == 0:
        return 0.0
    ranks = stats.rankdata(np.abs(differences))
    return float((ranks * np.sign(differences)).sum() / ranks.sum())


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Holm's step-down correction (1979), in the order given: that of statsmodels, without its garbage collection.

    Example:
        >>> holm(np.array([0.03, 0.01, 0.02])).round(2).tolist()
        [0.04, 0.03, 0.04]
    """
    order = np.argsort(p_values)
    stepped = p_values[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty_like(p_values)
    corrected[order] = np.maximum.accumulate(stepped).clip(max=1)
    return corrected


def _compare_pairs(images: pd.DataFrame, mean_ranks: pd.Series, scores: pd.DataFrame) -> pd.DataFrame:
    matrices = _matrices(scores, "topk_overlap")
    resamples = draw_resamples(scores["seed"].nunique(), len(images))
    rows = [_compare_pair(pair, images, mean_ranks, matrices, resamples) for pair in combinations(images.columns, 2)]
    columns = ["method", "other", "difference", "difference_low", "difference_high", "rank_difference", "rank_biserial"]
    return pd.DataFrame(rows, columns=[*columns, *_P_VALUES]).assign(verdict="")


def _compare_pair(
    pair: tuple[str, str],
    images: pd.DataFrame,
    mean_ranks: pd.Series,
    matrices: dict[str, NDArray[np.float64]],
    resamples: Resamples,
) -> dict[str, Any]:
    method, other = pair
    differences = matrices[method] - matrices[other]
    difference = bootstrap_interval(differences, resamples, -1, 1)
    return {
        "method": method,
        "other": other,
        **_columns({"difference": difference}),
        "two_way_p": two_way_p(differences),
        "rank_difference": mean_ranks[other] - mean_ranks[method],
        "rank_biserial": rank_biserial(_differences(images, method, other)),
    }


def _test_pairs(pairs: pd.DataFrame, images: pd.DataFrame, friedman_p: float) -> pd.DataFrame:
    wilcoxon_p = np.array(
        [_wilcoxon(_differences(images, *pair)) for pair in zip(pairs["method"], pairs["other"], strict=True)]
    )
    holm_p = holm(wilcoxon_p)
    n_images, n_methods = images.shape
    nemenyi_p = stats.studentized_range.sf(
        pairs["rank_difference"] / _rank_error(n_images, n_methods), n_methods, np.inf
    )
    both_p = holm(pairs["two_way_p"].to_numpy())
    significant = (holm_p < ALPHA) & (n_methods == 2 or friedman_p < ALPHA)
    verdict = np.select([significant & (both_p < ALPHA), significant], ["differ", "differ on these seeds"], "tied")
    found = dict(zip(_P_VALUES, (wilcoxon_p, holm_p, nemenyi_p.clip(0, 1), both_p), strict=True))
    return pairs.assign(**found, verdict=verdict)


def _friedman(images: pd.DataFrame) -> tuple[float, float]:
    overlaps = images.to_numpy()
    if (overlaps == overlaps[:, :1]).all():
        return 0.0, 1.0
    found = stats.friedmanchisquare(*overlaps.T)
    return float(found.statistic), float(found.pvalue)


def _wilcoxon(differences: NDArray[np.float64]) -> float:
    if not differences.any():
        return 1.0
    return float(stats.wilcoxon(differences).pvalue)


def _differences(images: pd.DataFrame, method: str, other: str) -> NDArray[np.float64]:
    return (images[method] - images[other]).round(DECIMALS).to_numpy()


@cache
def _critical_range(n_methods: int) -> float:
    return float(stats.studentized_range.ppf(1 - ALPHA, n_methods, np.inf))


def _rank_error(n_images: int, n_methods: int) -> float:
    """Standard error of a mean rank when no method is better than another."""
    return float(np.sqrt(n_methods * (n_methods + 1) / (12 * n_images)))


def _rank_interval(ranks: NDArray[np.float64], n_methods: int) -> Interval:
    if n_methods == 1:
        return Interval(1.0, np.nan, np.nan)
    shares = rate_interval((ranks - 1) / (n_methods - 1))
    return Interval(*(1 + (n_methods - 1) * limit for limit in shares))


def _matrices(scores: pd.DataFrame, column: str) -> dict[str, NDArray[np.float64]]:
    """Each method's values (seeds, images): means over folds, NaN where a seed did not rank an image."""
    means, (methods, _, _) = _means(scores, column, ["method", "seed", "sample"])
    return dict(zip(methods, means, strict=True))


def _means(scores: pd.DataFrame, column: str, keys: list[str]) -> tuple[NDArray[np.float64], list[pd.Index]]:
    """Means by all keys, an axis each in order of appearance, NaN where there is no row; quicker than a pivot table."""
    codes, values = zip(*(scores[key].factorize() for key in keys), strict=True)
    shape = tuple(len(some) for some in values)
    places = np.ravel_multi_index(codes, shape)
    counts = np.bincount(places, minlength=int(np.prod(shape)))
    sums = np.bincount(places, weights=scores[column].to_numpy(), minlength=len(counts))
    means = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return means.reshape(shape), list(values)


def _methods(scores: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(scores["method"]))


def _columns(intervals: dict[str, Interval]) -> dict[str, float]:
    limits = {"mean": "", "low": "_low", "high": "_high"}
    return {
        f"{name}{suffix}": float(getattr(interval, limit))
        for name, interval in intervals.items()
        for limit, suffix in limits.items()
    }
