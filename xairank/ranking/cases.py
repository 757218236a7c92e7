"""Scores by case, the unit of every statistic: an image with its near-duplicates counts once.

A case's value in a seed is the mean over its images, each averaged over the folds that ranked it.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xairank.ranking.wins import DECIMALS


def case_matrices(scores: pd.DataFrame, column: str) -> dict[str, NDArray[np.float64]]:
    """Each method's values (seeds, cases), NaN where a seed ranked no image of a case."""
    means, (methods, _, _) = _case_means(scores, column)
    return dict(zip(methods, means, strict=True))


def case_means(scores: pd.DataFrame, column: str) -> pd.DataFrame:
    """Cases by methods: the mean over the seeds that ranked the case."""
    by_seed, (methods, _, cases) = _case_means(scores, column)
    known = np.isfinite(by_seed)
    means = np.where(known, by_seed, 0).sum(axis=1) / known.sum(axis=1)
    return pd.DataFrame(means.T, index=cases, columns=methods).round(DECIMALS).sort_index()


def _case_means(scores: pd.DataFrame, column: str) -> tuple[NDArray[np.float64], list[pd.Index]]:
    keys = ["method", "seed", "case", "sample"]
    if scores.duplicated(["method", "seed", "sample"]).any():  # several folds ranked the same image
        scores = scores.groupby(keys, sort=False)[column].mean().reset_index()
    return _means(scores, column, keys[:3])


def _means(scores: pd.DataFrame, column: str, keys: Sequence[str]) -> tuple[NDArray[np.float64], list[pd.Index]]:
    """Means by all keys, an axis each in order of appearance, NaN where there is no row; quicker than a pivot table."""
    codes, values = zip(*(scores[key].factorize() for key in keys), strict=True)
    shape = tuple(len(some) for some in values)
    places = np.ravel_multi_index(codes, shape)
    counts = np.bincount(places, minlength=int(np.prod(shape)))
    sums = np.bincount(places, weights=scores[column].to_numpy(float), minlength=len(counts))
    means = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return means.reshape(shape), list(values)
