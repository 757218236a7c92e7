"""Whether a method beats the controls: maps that say nothing of what the model decides."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from xairank.names import in_words
from xairank.ranking.cases import case_matrices, case_means
from xairank.ranking.chance import ABOVE, AT, BELOW, UNKNOWN
from xairank.ranking.margins import Margin, tested_margins
from xairank.ranking.wins import FEWEST_CASES
from xairank.schema import MetricFacts

_MANY = 6  # methods that a sentence cannot name
_COLUMNS = (
    *("method", "control", "score", "control_score", "difference", "difference_low", "difference_high"),
    *("wilcoxon_p", "holm_p", "two_way_p", "verdict"),
)


def against_controls(scores: pd.DataFrame, controls: pd.DataFrame, metric: str, facts: MetricFacts) -> pd.DataFrame:
    """Each method beside the best of the controls, paired case by case.

    The best control is that of the best mean score on the same cases. A method is above it where Wilcoxon's
    signed-rank test and the two-way test, which allows for other seeds, both corrected by Holm over the methods, are
    below 5 %, and its mean is the better one. Choosing the best control on the same cases favours the control.

    Args:
        scores: Rows of the methods, of one group and split.
        controls: Rows of the controls without evidence, on the same images.
        metric: The column that decides.
        facts: Of the metric.

    Returns:
        A row a method: ``control``, the best; ``score`` and ``control_score``, means over cases; ``difference`` in
        favour of the method with limits ``_low`` and ``_high``; ``wilcoxon_p``, ``holm_p``, ``two_way_p``; and
        ``verdict``, "above", "not shown above" or "below", empty for fewer than six cases. No row without controls.
    """
    if controls.empty or scores.empty:
        return pd.DataFrame(columns=list(_COLUMNS))
    sign = 1 if facts.higher_is_better else -1
    means = case_means(controls, metric)
    best = str((sign * means.mean()).idxmax())
    chosen = controls[controls["method"] == best]
    cases = case_means(scores, metric)
    matrices, reference = case_matrices(scores, metric), case_matrices(chosen, metric)[best]
    margins = {
        method: Margin(sign * (values - reference), (sign * (cases[method] - means[best])).to_numpy())
        for method, values in matrices.items()
    }
    table = tested_margins(margins)
    better, worse = table["shown"] & (table["difference"] > 0), table["shown"] & (table["difference"] < 0)
    verdict = np.select([better, worse], [ABOVE, BELOW], AT) if len(cases) >= FEWEST_CASES else UNKNOWN
    table = table.assign(control=best, score=cases.mean(), control_score=means[best].mean(), verdict=verdict)
    return table.rename_axis("method").reset_index()[list(_COLUMNS)]


def at_controls(table: pd.DataFrame, labels: Mapping[str, str]) -> str:
    """A sentence on the methods that are not shown to be above the best control; empty where there is none.

    Args:
        table: Of :func:`against_controls`.
        labels: What methods and controls are called.

    Example:
        >>> row = {"method": "saliency", "control": "center", "score": 0.12, "control_score": 0.25, "verdict": "below"}
        >>> at_controls(pd.DataFrame([row]), {"saliency": "Saliency", "center": "Centre"})
        'Saliency (0.12) is below the best control without evidence, Centre (0.25).'
    """
    clauses = []
    for verdict, words in ((AT, "not shown to be above"), (BELOW, "below")):
        rows = table[table["verdict"] == verdict].to_dict("records")
        if verdict == AT and _MANY < len(rows) == len(table):
            clauses.append(f"None of the {len(rows)} methods is shown to be above")
        elif rows:
            clauses.append(f"{_named(rows, labels, len(table))} {words}")
    if not clauses:
        return ""
    control, score = table["control"].iloc[0], table["control_score"].iloc[0]
    comma = "," if len(clauses) > 1 else ""
    return f"{', and '.join(clauses)}{comma} the best control without evidence, {labels[control]} ({score:.2f})."


def _named(rows: list[dict[Hashable, Any]], labels: Mapping[str, str], n_all: int) -> str:
    """The methods with their scores and the verb; where they are all and many, their number."""
    if _MANY < len(rows) == n_all:
        return f"All {n_all} methods are"
    names = in_words([f"{labels[str(row['method'])]} ({row['score']:.2f})" for row in rows])
    return f"{names} {'is' if len(rows) == 1 else 'are'}"


def above_controls(table: pd.DataFrame, labels: Mapping[str, str]) -> str:
    """A sentence where every method is above the best control; empty where one is not, or it is not known.

    Args:
        table: Of :func:`against_controls`.
        labels: What methods and controls are called.
    """
    if table.empty or not (table["verdict"] == ABOVE).all():
        return ""
    many = "Both" if len(table) == 2 else f"All {len(table)}"
    who = f"{many} methods are" if len(table) > 1 else f"{labels[table['method'].iloc[0]]} is"
    control, score = table["control"].iloc[0], table["control_score"].iloc[0]
    return f"{who} above the best control without evidence, {labels[control]} ({score:.2f})."
