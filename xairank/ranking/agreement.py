"""Whether metrics agree on the order of the methods: Kendall's tau between each two of them, image by image."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xairank.names import in_words
from xairank.ranking.bootstrap import Interval, bootstrap_interval, draw_resamples
from xairank.ranking.cases import case_matrices
from xairank.ranking.wins import DECIMALS
from xairank.schema import MetricFacts

Array = NDArray[np.float64]

COLUMNS = (
    *("metric", "other", "tau", "tau_low", "tau_high", "n_seeds", "n_images", "n_cases", "undefined"),
    *("winners", "other_winners", "same_winner"),
)
_IMAGE = ["seed", "fold", "case", "sample"]


def agreement(scores: pd.DataFrame, facts: Mapping[str, MetricFacts]) -> pd.DataFrame:
    """Kendall's tau-b between each two metrics over the methods of an image, averaged as scores are.

    ``tau = (concordant - discordant) / sqrt(untied in one * untied in the other)`` over pairs of methods (Kendall 1945,
    "The treatment of ties in ranking problems", Biometrika 33): 1 where both metrics put the methods in the same order,
    better first whether larger or smaller values are better, -1 where the order is reversed. Scores are the rows of
    ``scores.parquet`` of one group and split. The mean is over seeds of the mean over cases; its interval is that of
    :func:`xairank.ranking.bootstrap.bootstrap_interval`, seeds and cases resampled. An image on which one of the two
    metrics gives all methods the same score has no tau and is left out of that pair.

    Args:
        scores: Of one group and split, of methods alone.
        facts: Of the metrics, by name in order.

    Returns:
        A row a pair of metrics, in order: ``metric``, ``other``; ``tau`` with limits ``tau_low`` and ``tau_high``, NaN
        where no image has a tau; ``n_seeds``, ``n_images`` and ``n_cases`` that have one; ``undefined``, the share of
        images, over seeds and folds, that have none, in [0, 1]; ``winners`` and ``other_winners``, the methods of the
        best mean score by each, several where they tie; ``same_winner``. No row where there is nothing to compare, see
        :func:`obstacle`.
    """
    if obstacle(scores, facts):
        return pd.DataFrame(columns=list(COLUMNS))
    images, taus = _image_taus(scores, facts)
    winners = {name: best_methods(scores, name, some) for name, some in facts.items()}
    rows = []
    for (place, metric), (other_place, other) in combinations(enumerate(facts), 2):
        mean, counts = _averaged(images.assign(tau=taus[:, place, other_place]))
        rows.append(
            {
                "metric": metric,
                "other": other,
                "tau": float(mean.mean),
                "tau_low": float(mean.low),
                "tau_high": float(mean.high),
                **counts,
                "winners": winners[metric],
                "other_winners": winners[other],
                "same_winner": winners[metric] == winners[other],
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def obstacle(scores: pd.DataFrame, facts: Mapping[str, MetricFacts]) -> str:
    """Why there is no agreement to speak of, in words; empty where there is.

    Example:
        >>> obstacle(pd.DataFrame({"method": ["a", "b"]}), {"topk_overlap": MetricFacts("Top-K Overlap")})
        'there is only one metric, Top-K Overlap'
    """
    if len(facts) < 2:
        return f"there is only one metric, {next(iter(facts.values())).label}" if facts else "there is no metric"
    if scores["method"].nunique() < 2:
        return "there is only one method" if len(scores) else "no image is ranked"
    return ""


def best_methods(scores: pd.DataFrame, metric: str, facts: MetricFacts) -> tuple[str, ...]:
    """The methods of the best mean score, over seeds of the mean over cases; several where they tie."""
    means = {method: np.nanmean(values, axis=1) for method, values in case_matrices(scores, metric).items()}
    over_seeds = pd.Series({method: values.mean() for method, values in means.items()}).round(DECIMALS)
    best = over_seeds.max() if facts.higher_is_better else over_seeds.min()
    return tuple(over_seeds.index[over_seeds == best])


def who_wins_elsewhere(
    best: Mapping[str, Sequence[str]], metric: str, facts: Mapping[str, MetricFacts], labels: Mapping[str, str]
) -> str:
    """A sentence on how many metrics have the same best method as the one that decides, and whom the others have.

    Args:
        best: The methods of the best mean score, by metric, see :func:`best_methods`.
        metric: The one that decides.
        facts: Of the metrics.
        labels: What the methods are called.

    Example:
        >>> facts = {"a": MetricFacts("Top-K Overlap"), "b": MetricFacts("ROC-AUC"), "c": MetricFacts("Mass")}
        >>> who_wins_elsewhere({"a": ("x",), "b": ("x",), "c": ("y",)}, "a", facts, {"x": "Saliency", "y": "LRP"})
        'Saliency has the best mean by 2 of 3 metrics; by Mass it is LRP.'
    """
    differing: dict[tuple[str, ...], list[str]] = {}
    for name, methods in best.items():
        if set(methods) != set(best[metric]):
            differing.setdefault(tuple(methods), []).append(facts[name].label)
    n_same = len(best) - sum(map(len, differing.values()))
    who = in_words([labels[name] for name in best[metric]])
    every = "both metrics" if len(best) == 2 else f"all {len(best)} metrics"
    number = f"{n_same} of {len(best)} metrics" if differing else every
    clauses = [
        f"by {in_words(metrics)} it is {in_words([labels[name] for name in methods])}"
        for methods, metrics in differing.items()
    ]
    tail = f"; {', '.join(clauses)}" if clauses else ""
    return f"{who} {'has' if len(best[metric]) == 1 else 'have'} the best mean by {number}{tail}."


def tau_matrix(table: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """The taus of :func:`agreement`, metrics by metrics; 1 on the diagonal."""
    matrix = pd.DataFrame(np.eye(len(metrics)), index=list(metrics), columns=list(metrics))
    for row in table.to_dict("records"):
        matrix.loc[row["metric"], row["other"]] = matrix.loc[row["other"], row["metric"]] = row["tau"]
    return matrix


def _image_taus(scores: pd.DataFrame, facts: Mapping[str, MetricFacts]) -> tuple[pd.DataFrame, Array]:
    """The images, a row a seed, fold and sample, and the taus (images, metrics, metrics), NaN where undefined."""
    place, method = scores.groupby(_IMAGE, dropna=False, sort=False).ngroup(), scores["method"].factorize()[0]
    images = scores.groupby(place)[_IMAGE].head(1).reset_index(drop=True)
    values = np.full((len(images), method.max() + 1, len(facts)), np.nan)
    values[place, method] = scores[list(facts)].round(DECIMALS)
    signs = np.array([1 if some.higher_is_better else -1 for some in facts.values()])
    first, second = np.triu_indices(values.shape[1], 1)
    order = np.sign(values[:, first] - values[:, second]) * signs  # images, pairs of methods, metrics
    agreed = np.einsum("ipm,ipn->imn", order, order)
    untied = np.einsum("imm->im", agreed)
    norm = np.sqrt(untied[:, :, None] * untied[:, None, :])
    return images, np.divide(agreed, norm, out=np.full_like(agreed, np.nan), where=norm > 0)


def _averaged(images: pd.DataFrame) -> tuple[Interval, dict[str, Any]]:
    """The mean of the column ``tau`` with its interval, and what it rests on."""
    known = images.dropna(subset="tau")
    counts = {f"n_{name}s": known[name].nunique() for name in ("seed", "sample", "case")}
    counts = {"n_seeds": counts["n_seeds"], "n_images": counts["n_samples"], "n_cases": counts["n_cases"]}
    undefined = {**counts, "undefined": 1 - len(known) / len(images)}
    if known.empty:
        return Interval(np.nan, np.nan, np.nan), undefined
    matrix = case_matrices(known.assign(method="tau"), "tau")["tau"]
    resamples = draw_resamples(*matrix.shape)
    return bootstrap_interval(matrix, resamples, low=-1, high=1), undefined
