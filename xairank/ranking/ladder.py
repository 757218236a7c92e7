"""Scores of maps that were blurred, or made at other layers: does the order of the methods depend on it?"""

from collections.abc import Mapping

import pandas as pd

from xairank.names import in_words
from xairank.ranking.bootstrap import bootstrap_interval, draw_resamples
from xairank.ranking.cases import case_matrices
from xairank.schema import MetricFacts


def summarize_levels(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Means with their intervals, a row a level and method: ``level``, ``changed``, ``method``, ``score``.

    Args:
        rows: Of ``variants.parquet``, of one group, split and variant; with those of ``scores.parquet`` as level 0
            where the map itself belongs to it.
        metric: The column that is shown.
    """
    found = []
    for (level, changed), some in rows.groupby(["level", "changed"], sort=True):
        for method, values in case_matrices(some, metric).items():
            mean, low, high = bootstrap_interval(values, draw_resamples(*values.shape))
            row = {"level": level, "changed": changed, "method": method}
            found.append({**row, "score": mean, "score_low": low, "score_high": high})
    columns = ["level", "changed", "method", "score", "score_low", "score_high"]
    return pd.DataFrame(found, columns=columns)


def who_leads(summary: pd.DataFrame, labels: Mapping[str, str], facts: MetricFacts) -> str:
    """A sentence on who leads at which blur, and which two methods change places; empty for a single method.

    Args:
        summary: Of :func:`summarize_levels`, the levels in pixels.
        labels: What the methods are called; others in the summary, such as controls, are left out.
        facts: Of the metric.

    Example:
        >>> rows = [(0, "a", 0.3), (0, "b", 0.2), (8, "a", 0.3), (8, "b", 0.4)]
        >>> summary = pd.DataFrame(rows, columns=["level", "method", "score"])
        >>> who_leads(summary, {"a": "Grad-CAM", "b": "Saliency"}, MetricFacts("Top-K Overlap"))
        'Unblurred Grad-CAM leads (0.30), Saliency at a blur of 8 pixels (0.40 against 0.30).'
    """
    means = summary[summary["method"].isin(list(labels))].pivot_table(index="level", columns="method", values="score")
    if means.shape[1] < 2:
        return ""
    gains = means if facts.higher_is_better else -means
    leaders = gains.idxmax(axis=1).astype(str)
    first = str(leaders.iloc[0])
    others = leaders[leaders != first]
    level = means.index[0]
    if others.empty:
        turned = _turned(gains, labels)
        return f"{labels[first]} leads at every blur from 0 to {means.index[-1]} pixels{turned}."
    parts = []
    for leader in map(str, others.unique()):
        blurs = others.index[others == leader]
        best, beaten = means.loc[blurs[0], leader], means.loc[blurs[0], first]
        where = in_words([str(blur) for blur in blurs])
        parts.append(f"{labels[leader]} at a blur of {where} pixels ({best:.2f} against {beaten:.2f})")
    return f"Unblurred {labels[first]} leads ({means.loc[level, first]:.2f}), {in_words(parts)}."


def _turned(gains: pd.DataFrame, labels: Mapping[str, str]) -> str:
    """Which pairs behind the leader are in another order at the strongest difference than unblurred."""
    raw = gains.iloc[0]
    methods = list(raw.sort_values(ascending=False).index)
    clauses = []
    for place, upper in enumerate(methods):
        for lower in methods[place + 1 :]:
            behind = gains.index[gains[lower] > gains[upper]]
            if len(behind):
                blur = (gains[lower] - gains[upper]).idxmax()
                values = f"{abs(gains.loc[blur, lower]):.2f} against {abs(gains.loc[blur, upper]):.2f}"
                clauses.append(f"{labels[lower]} passes {labels[upper]} (at {blur} pixels {values})")
    return f"; {in_words(clauses)}" if clauses else ""
