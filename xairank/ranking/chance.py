"""How scores compare with those of a random map."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from xairank.names import display_name, in_words
from xairank.ranking.bootstrap import Interval
from xairank.ranking.wins import DECIMALS, FEWEST_CASES
from xairank.schema import MetricFacts, chance_column

ABOVE, AT, BELOW, UNKNOWN = "above", "not shown above", "below", ""


def knows_chance(scores: pd.DataFrame, metric: str) -> bool:
    """Whether the score of a random map is known for every row."""
    column = chance_column(metric)
    return column in scores and bool(scores[column].notna().all())


def chance_corrected(scores: pd.DataFrame, metric: str, facts: MetricFacts) -> pd.Series:
    """(score - chance) / (best - chance): 0 is a random map, 1 a perfect one, below 0 is worse than random.

    It is NaN where the scores have no chance column or the metric no best value, and 0 where chance is the best.
    """
    if facts.best is None or not knows_chance(scores, metric):
        return pd.Series(np.nan, scores.index)
    chance = scores[chance_column(metric)]
    room = facts.best - chance
    return ((scores[metric] - chance) / room.where(room != 0)).fillna(0.0)


def above_chance(scores: pd.DataFrame, metric: str, facts: MetricFacts) -> pd.Series:
    """How far each score is on the better side of chance: chance-corrected, or in the metric's unit without a best."""
    if facts.best is not None or not knows_chance(scores, metric):
        return chance_corrected(scores, metric, facts)
    return (scores[metric] - scores[chance_column(metric)]) * (1 if facts.higher_is_better else -1)


def against_chance(interval: Interval, n_cases: int) -> str:
    """What the interval of :func:`above_chance` shows, "above" standing for better."""
    mean, low, high = interval
    if np.isnan(mean) or n_cases < FEWEST_CASES:
        return UNKNOWN
    if np.isnan(low):  # nothing varies: equal cases are a point
        low = high = round(mean, DECIMALS)
    return ABOVE if low > 0 else BELOW if high < 0 else AT


def at_chance(summary: pd.DataFrame, labels: Mapping[str, str] | None = None, *, higher_is_better: bool = True) -> str:
    """A sentence on the methods that are not shown to be above chance; empty where there is none.

    Args:
        summary: What :func:`xairank.ranking.statistics.summarize_methods` returns, also that of a single run.
        labels: What methods are called; by default their names in words.
        higher_is_better: Of the metric.

    In brackets is what decides: the chance-corrected score with its interval, paired image by image, so that it may be
    narrower than that of the score; for a metric without a best value the score.

    Example:
        >>> row = {"chance_corrected": 0.01, "chance_corrected_low": -0.02, "chance_corrected_high": 0.04}
        >>> row |= {"method": "saliency", "score": 0.18, "chance": 0.17, "against_chance": "not shown above"}
        >>> at_chance(pd.DataFrame([row]))
        'Saliency is not shown to be above chance (0.18, chance 0.17; chance-corrected 0.01 [-0.02, 0.04]).'
    """
    better, worse = ("above", "below") if higher_is_better else ("better than", "worse than")
    clauses = []
    for verdict, words in ((AT, f"not shown to be {better} chance"), (BELOW, f"{worse} chance")):
        rows = summary[summary["against_chance"] == verdict].to_dict("records")
        if not rows:
            continue
        names = [labels[row["method"]] if labels else display_name(row["method"]) for row in rows]
        verb = "is" if len(rows) == 1 else "are"
        clauses.append(f"{in_words(names)} {verb} {words} ({_values(rows)})")
    return f"{'; '.join(clauses)}." if clauses else ""


def beats_chance(summary: pd.DataFrame, labels: Mapping[str, str], *, higher_is_better: bool = True) -> str:
    """A sentence where every method is better than chance; empty where one is not, or it is not known.

    Arguments: see :func:`at_chance`.
    """
    if summary.empty or not (summary["against_chance"] == ABOVE).all():
        return ""
    many = "Both" if len(summary) == 2 else f"All {len(summary)}"
    who = f"{many} methods are" if len(summary) > 1 else f"{labels[summary['method'].iloc[0]]} is"
    return f"{who} {'above' if higher_is_better else 'better than'} chance ({summary['chance'].iloc[0]:.2f})."


def _values(rows: list[dict[Hashable, Any]]) -> str:
    """The scores, chance, and where it is known what they are above it."""
    chance = f"chance {rows[0]['chance']:.2f}"
    if any(np.isnan(row.get("chance_corrected", np.nan)) for row in rows):
        scores = [_shown(row["score"], row["score_low"], row["score_high"]) for row in rows]
        return f"{in_words(scores)}, {chance}"
    name = "chance_corrected"
    margins = in_words([_shown(row[name], row[f"{name}_low"], row[f"{name}_high"]) for row in rows])
    means = in_words([_shown(row["score"], np.nan, np.nan) for row in rows])
    return f"{means}, {chance}; chance-corrected {margins}"


def _shown(mean: float, low: float, high: float) -> str:
    mean, low, high = (round(value, 2) + 0.0 for value in (mean, low, high))  # no minus before zero
    return f"{mean:.2f}" if np.isnan(low) else f"{mean:.2f} [{low:.2f}, {high:.2f}]"
