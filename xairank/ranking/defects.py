"""Scores by kind of defect: are the methods in another order on small, thin or several defects, or of a class?

Saporta et al. ("Benchmarking saliency methods for chest X-ray interpretation", Nature Machine Intelligence 4, 2022)
found Grad-CAM at its worst on small defects of complex shape, where other methods lose less.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from xairank.names import in_words
from xairank.ranking.bootstrap import LEVEL, bootstrap_interval, draw_resamples
from xairank.ranking.cases import case_matrices, case_means
from xairank.ranking.chance import chance_corrected, knows_chance
from xairank.ranking.margins import Margin, tested_margins
from xairank.ranking.parts import CLASS, PROPERTIES, Part, case_properties, cut_cases
from xairank.ranking.wins import FEWEST_CASES
from xairank.schema import MetricFacts, chance_column

SHOWN, NOT_SHOWN, FEW = "shown", "not shown", ""
_MEASURES = ("score", "chance_corrected")
_PART = ("property", "part", "range", "where", "n_images", "n_cases")
_LEAD = ("leader", "second", "lead", "lead_low", "lead_high", "holm_p", "two_way_p", "verdict")
COLUMNS = (
    *_PART,
    *("method", *(f"{measure}{end}" for measure in _MEASURES for end in ("", "_low", "_high")), "chance"),
    *_LEAD,
)


def summarize_defects(scores: pd.DataFrame, metric: str, facts: MetricFacts) -> pd.DataFrame:
    """Means in each part of the cases with their intervals, and whether who leads there is shown to lead.

    The lead of the best mean over the second is paired case by case and shown where Wilcoxon's signed-rank test and
    the two-way test, which allows for other seeds, are below 5 %, both corrected by Holm over the property's parts.

    Args:
        scores: Rows of the methods, of one group and split.
        metric: The column that decides.
        facts: Of the metric.

    Returns:
        A row a part and method: ``property``, ``part``, ``range`` of its values and ``where`` in words; ``n_images``,
        ``n_cases``; ``score`` and ``chance_corrected`` with limits ``_low`` and ``_high``; ``chance``, the score of a
        random map. And the same for all methods of a part: ``leader``, ``second``, the ``lead`` with its limits,
        ``holm_p``, ``two_way_p`` and ``verdict``, "shown" or "not shown", empty for fewer than six cases or two
        methods.
    """
    table = scores.assign(score=scores[metric], chance_corrected=chance_corrected(scores, metric, facts))
    rows: list[dict[str, Any]] = []
    margins: dict[str, dict[str, Margin]] = {}  # by property, then by the part's place
    leads: dict[str, dict[str, Any]] = {}
    parts = list(cut_cases(scores)) if len(scores) else []
    for number, part in enumerate(parts):
        some = table[table["case"].isin(part.cases)]
        own = _part_rows(some, part, metric, facts)
        sign = 1 if facts.higher_is_better else -1
        order = sorted(own, key=lambda row: -sign * row["score"])
        if len(order) > 1:
            leader, second = (row["method"] for row in order[:2])
            leads[str(number)] = {"leader": leader, "second": second}
            margins.setdefault(part.kind, {})[str(number)] = _margin(some, leader, second, sign)
        rows += [{**row, "place": str(number)} for row in own]
    found = pd.DataFrame(rows, columns=[name for name in (*COLUMNS, "place") if name not in _LEAD])
    known = pd.DataFrame(leads.values(), index=list(leads), columns=["leader", "second"])
    known = known.join(_decided(margins.values()))
    return found.merge(known, how="left", left_on="place", right_index=True).fillna({"verdict": FEW})[[*COLUMNS]]


def correlate_defects(scores: pd.DataFrame, metric: str, facts: MetricFacts) -> pd.DataFrame:
    """Spearman's correlation over cases of each property with each method's score, chance-corrected where known.

    Without that correction the score of any map rises with the size of the defect. The interval is Fisher's with the
    variance (1 + r^2 / 2) / (n - 3) of Bonett and Wright (2000, Psychometrika 65); it takes the
    trained models as given.

    Returns:
        A row a property and method: ``property``, ``method``, ``spearman``, ``spearman_low``, ``spearman_high``; none
        of classes, of a property that is the same for all cases, or for fewer than six cases.
    """
    columns = ["property", "method", "spearman", "spearman_low", "spearman_high"]
    if scores["case"].nunique() < FEWEST_CASES:
        return pd.DataFrame(columns=columns, dtype=float).astype(dict.fromkeys(columns[:2], object))
    corrected = chance_corrected(scores, metric, facts)
    values = case_means(scores.assign(shown=scores[metric] if corrected.isna().any() else corrected), "shown")
    properties = case_properties(scores).drop(columns=CLASS)
    rows = []
    for name in [name for name in PROPERTIES if name in properties and properties[name].nunique() > 1]:
        for method, own in values.items():
            varies = own.nunique() > 1  # else there is none, of which SciPy would warn
            correlation = own.corr(properties[name], method="spearman") if varies else np.nan
            rows.append([name, method, correlation, *_fisher(correlation, len(own))])
    return pd.DataFrame(rows, columns=columns)


def who_leads_where(summary: pd.DataFrame, labels: Mapping[str, str]) -> list[str]:
    """A sentence for each property where who leads differs between its parts and a lead is shown in one of them.

    Args:
        summary: Of :func:`summarize_defects`.
        labels: What the methods are called.

    Example:
        >>> columns = ["property", "where", "leader", "second", "method", "score", "verdict"]
        >>> small, large = ("size", "on small defects", "b", "a"), ("size", "on large defects", "a", "b")
        >>> rows = [(*small, "a", 0.18, "shown"), (*small, "b", 0.21, "shown")]
        >>> rows += [(*large, "a", 0.45, "not shown"), (*large, "b", 0.42, "not shown")]
        >>> who_leads_where(pd.DataFrame(rows, columns=columns), {"a": "Grad-CAM", "b": "Saliency"})
        ['On small defects Saliency leads (0.21 against 0.18), on large defects Grad-CAM is ahead, not shown to lead \
(0.45 against 0.42).']
    """
    sentences = []
    for _, own in summary[summary["verdict"] != FEW].groupby("property", sort=False):
        if own["leader"].nunique() < 2 or not (own["verdict"] == SHOWN).any():
            continue
        clauses = []
        for where, part in own.groupby("where", sort=False):
            first, means = part.iloc[0], part.set_index("method")["score"]
            words = "leads" if first["verdict"] == SHOWN else "is ahead, not shown to lead"
            values = f"{means[first['leader']]:.2f} against {means[first['second']]:.2f}"
            clauses.append(f"{where} {labels[first['leader']]} {words} ({values})")
        sentence = f"{', '.join(clauses)}."
        sentences.append(sentence[0].upper() + sentence[1:])
    return sentences


def undecided(summary: pd.DataFrame) -> str:
    """A sentence on the properties where who is ahead differs between parts but no lead is shown; or empty."""
    known = summary[summary["verdict"] != FEW]
    names = [
        PROPERTIES[str(name)].label.partition(",")[0].lower()
        for name, own in known.groupby("property", sort=False)
        if own["leader"].nunique() > 1 and not (own["verdict"] == SHOWN).any()
    ]
    return f"By {in_words(names)} who is ahead differs from part to part, but no lead is shown." if names else ""


def _part_rows(some: pd.DataFrame, part: Part, metric: str, facts: MetricFacts) -> list[dict[str, Any]]:
    """A row a method, before any test."""
    n_images, n_cases = (some[name].nunique() for name in ("sample", "case"))
    shared = dict(zip(_PART, (part.kind, part.name, part.range, part.where, n_images, n_cases), strict=True))
    known = knows_chance(some, metric)
    chance = case_means(some, chance_column(metric)).iloc[:, 0].mean() if known else np.nan
    limits = {
        "score": tuple(
            default if value is None else value for value, default in ((facts.low, -np.inf), (facts.high, np.inf))
        ),
        "chance_corrected": (-np.inf, 1.0),
    }
    matrices = {measure: case_matrices(some, measure) for measure in _MEASURES}
    rows = []
    for method in matrices["score"]:
        row = {**shared, "method": method, "chance": chance}
        for measure in _MEASURES:
            values = matrices[measure][method]
            interval: tuple[float, ...] = (np.nan, np.nan, np.nan)
            if not np.isnan(values).all():
                interval = bootstrap_interval(values, draw_resamples(*values.shape), *limits[measure])
            row |= dict(zip((measure, f"{measure}_low", f"{measure}_high"), map(float, interval), strict=True))
        rows.append(row)
    return rows


def _margin(some: pd.DataFrame, leader: str, second: str, sign: int) -> Margin:
    matrices, cases = case_matrices(some, "score"), case_means(some, "score")
    return Margin(sign * (matrices[leader] - matrices[second]), (sign * (cases[leader] - cases[second])).to_numpy())


def _decided(families: Iterable[Mapping[str, Margin]]) -> pd.DataFrame:
    """The tests of the leads that have enough cases, corrected within each family."""
    tables = []
    for margins in families:
        enough = {name: margin for name, margin in margins.items() if len(margin.by_case) >= FEWEST_CASES}
        if enough:
            tables.append(tested_margins(enough))
    if not tables:
        return pd.DataFrame(columns=list(_LEAD[2:]), dtype=float).astype({"verdict": object})
    table = pd.concat(tables).rename(columns=lambda name: str(name).replace("difference", "lead"))
    return table.assign(verdict=np.where(table["shown"], SHOWN, NOT_SHOWN))[list(_LEAD[2:])]


def _fisher(correlation: float, n_cases: int) -> tuple[float, float]:
    if np.isnan(correlation) or abs(correlation) > 1 - 1e-12:
        return np.nan, np.nan
    half_width = norm.ppf((1 + LEVEL) / 2) * np.sqrt((1 + correlation**2 / 2) / (n_cases - 3))
    low, high = np.tanh(np.arctanh(correlation) + half_width * np.array([-1, 1]))
    return float(low), float(high)
