"""Ranks, wins and win rates of methods: per image, per seed, over seeds.

Scores are rows of ``scores.parquet``: an image is one (``seed``, ``fold``, ``split``, ``sample``), and within a
``group`` where that column is there. Every method scores every image of its group.
"""

from collections.abc import Sequence
from typing import Literal

import pandas as pd
from pandas.api.typing import SeriesGroupBy

Ties = Literal["shared", "first"]

OVERALL = "overall"
# Scores are ratios of pixel counts and the like: what differs less than this differs by rounding only.
DECIMALS = 9
# With five cases even five differences of one sign have p = 0.0625 in Wilcoxon's test.
FEWEST_CASES = 6

_IMAGE = ["group", "seed", "fold", "split", "sample"]


def mid_ranks(scores: pd.DataFrame, metric: str, *, higher_is_better: bool = True) -> pd.Series:
    """The rank of each method on its image, one a row: 1 is best, equal methods share the mean of their ranks.

    Example:
        >>> scores = pd.DataFrame({"seed": 0, "sample": "a", "score": [0.1, 0.5, 0.5]})
        >>> mid_ranks(scores, "score").tolist()
        [3.0, 1.5, 1.5]
    """
    return _by_image(scores, metric).rank(ascending=not higher_is_better, method="average").rename("rank")


def win_shares(
    scores: pd.DataFrame,
    metric: str,
    *,
    higher_is_better: bool = True,
    ties: Ties = "shared",
    methods: Sequence[str] | None = None,
) -> pd.Series:
    """The share of its image's win that each row's method gets; 1 an image in sum.

    Args:
        scores: Rows of images and methods.
        metric: The column that is compared.
        higher_is_better: Whether its largest value wins, or its least.
        ties: ``shared`` gives each of the m best methods 1/m; ``first`` gives the win to the first of them, as the
            code released with the paper does.
        methods: Their order, for ``first``; by default the order in which they appear.
    """
    best = _by_image(scores, metric).transform("max" if higher_is_better else "min") == scores[metric].round(DECIMALS)
    if ties == "first":
        order = list(dict.fromkeys(scores["method"])) if methods is None else list(methods)
        places = scores["method"].map({method: place for place, method in enumerate(order)}).where(best)
        winner = places == places.groupby(_image_keys(scores), dropna=False).transform("min")
        return winner.astype(float).rename("win")
    return (best / best.groupby(_image_keys(scores), dropna=False).transform("sum")).rename("win")


def win_rates(
    scores: pd.DataFrame,
    metric: str,
    *,
    higher_is_better: bool = True,
    ties: Ties = "shared",
    methods: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Mean win share over the images a seed ranked, of all its folds, overall and for each class.

    Images are counted, as in the paper, also where several of them are one case. Arguments: see :func:`win_shares`.

    Returns:
        A row for each (``group``, ``split``, ``label``, ``method``, ``seed``), with ``win_rate`` in [0, 1] and the
        number of images it is the mean of in ``n_ranked``. The label of all classes together is "overall".
    """
    wins = win_shares(scores, metric, higher_is_better=higher_is_better, ties=ties, methods=methods)
    shares = with_overall(scores.assign(win=wins))
    keys = [*_group(scores), "split", "label", "method", "seed"]
    rates = shares.groupby(keys, sort=False, observed=True)["win"].agg(win_rate="mean", n_ranked="size")
    return rates.reset_index()


def mean_over_seeds(values: pd.DataFrame, column: str) -> pd.DataFrame:
    """Mean and population standard deviation (ddof = 0, as in the paper) over the rows of each cell.

    Args:
        values: A row a cell and seed. The cell is whatever of ``group``, ``split``, ``label``, ``method`` and
            ``metric`` are columns.
        column: What to average; missing values do not count.

    Returns:
        A row a cell, in order of appearance, with ``mean``, ``std`` and ``n_seeds``.
    """
    keys = [key for key in ("group", "split", "label", "method", "metric") if key in values]
    grouped = values.groupby(keys, sort=False, observed=True)[column]
    return pd.DataFrame({"mean": grouped.mean(), "std": grouped.std(ddof=0), "n_seeds": grouped.count()}).reset_index()


def count_images(scores: pd.DataFrame) -> pd.Series:
    """Number of distinct images that at least one seed ranked, by (``group``, ``split``, ``label``)."""
    keys = [*_group(scores), "split", "label"]
    return with_overall(scores).groupby(keys, sort=False, observed=True)["sample"].nunique().rename("n_images")


def with_overall(table: pd.DataFrame) -> pd.DataFrame:
    """The rows twice: once with the label "overall", then as they are, classes in alphabetical order."""
    return pd.concat([table.assign(label=OVERALL), table.sort_values("label", kind="stable")], ignore_index=True)


def _by_image(scores: pd.DataFrame, metric: str) -> SeriesGroupBy:
    return scores[metric].round(DECIMALS).groupby(_image_keys(scores), dropna=False)


def _image_keys(scores: pd.DataFrame) -> list[pd.Series]:
    return [scores[key] for key in _IMAGE if key in scores]


def _group(scores: pd.DataFrame) -> list[str]:
    return ["group"] if "group" in scores else []
