"""The randomisation check: maps of a network without its weights must lose what the trained one's have.

Adebayo et al. ("Sanity checks for saliency maps", NeurIPS 2018) re-initialise a network from the head down. A method
whose maps stay alike explains the image, or the architecture, rather than what the network has learned.
"""

import math
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xairank.names import in_words
from xairank.ranking.cases import case_matrices, case_means
from xairank.ranking.chance import ABOVE, knows_chance
from xairank.ranking.controls import against_controls
from xairank.ranking.ladder import summarize_levels
from xairank.ranking.margins import Margin, tested_margins
from xairank.ranking.pairs import ALPHA
from xairank.ranking.wins import FEWEST_CASES
from xairank.schema import SPEARMAN, MetricFacts, chance_column

FALLS, STAYS, ALIKE, FEW = "falls", "not shown to fall", "maps stay alike", ""
STANDS_OUT = "stays above the controls"
NOTHING_TO_LOSE = "nothing to lose"
# Verdicts that the sentence names, with its words for one method and for several.
_OUTCOMES = (
    ((ALIKE, STANDS_OUT), "fails the randomisation check", "fail the randomisation check"),
    ((STAYS,), "is not shown to fall without the trained weights", "are not shown to fall without the trained weights"),
    (
        (NOTHING_TO_LOSE,),
        "is no better than chance with the trained weights and has nothing to lose",
        "are no better than chance with the trained weights and have nothing to lose",
    ),
)
LIKENESS = 0.5  # Spearman's correlation of maps that counts as alike


def check_randomisation(
    trained: pd.DataFrame, randomised: pd.DataFrame, controls: pd.DataFrame, metric: str, facts: MetricFacts
) -> pd.DataFrame:
    """Whether each method's score falls when all weights are re-initialised, and its maps become others.

    Args:
        trained: Rows of ``scores.parquet``, of one group and split.
        randomised: Rows of ``variants.parquet`` of the same images: networks re-initialised stage by stage.
        controls: Rows of ``scores.parquet`` of the controls without evidence; may have none.
        metric: The column that decides.
        facts: Of the metric.

    Returns:
        A row a method: ``trained`` and ``random``, mean scores over cases; ``difference`` between them in favour of the
        trained network with limits ``_low`` and ``_high``, ``holm_p``, ``two_way_p``; ``likeness``, the mean rank
        correlation of the maps; ``n_cases``; and ``verdict``: "maps stay alike" where that is at least 0.5, "nothing to
        lose" where the trained network's maps are no better than chance, "not shown to fall", "stays above the
        controls" where the score without weights is shown to be above the best of them, or "falls", which alone is a
        pass. It is empty for fewer than six cases, and where the cases are too few to show any fall of so many methods.
    """
    if randomised.empty:
        return pd.DataFrame(columns=["method", "trained", "random", "difference", "likeness", "n_cases", "verdict"])
    last = randomised[randomised["level"] == randomised["level"].max()]
    sign = 1 if facts.higher_is_better else -1
    methods = [name for name in dict.fromkeys(last["method"]) if name in set(trained["method"])]
    # The same seeds, folds and images on both sides: those that were randomised.
    keys = ["seed", "fold", "sample", "method"]
    before = trained.merge(last[keys].drop_duplicates(), on=keys)
    first, second = case_means(before, metric), case_means(last, metric)
    by_seed = case_matrices(before, metric), case_matrices(last, metric)
    margins = {
        name: Margin(sign * (by_seed[0][name] - by_seed[1][name]), sign * (first[name] - second[name]).to_numpy())
        for name in methods
    }
    table = tested_margins(margins)
    likeness = case_means(last, SPEARMAN).mean()[methods]
    falls = table["shown"] & (table["difference"] > 0)
    beside = controls.merge(last[keys[:-1]].drop_duplicates(), on=keys[:-1])
    against = against_controls(last, beside, metric, facts).set_index("method")["verdict"]
    above = np.array([against.get(name) == ABOVE for name in methods])
    few = np.full(len(methods), len(first) < _fewest_cases(len(methods)))
    verdict = np.select(
        [likeness >= LIKENESS, few, ~falls & _at_chance(before, metric, sign, methods), ~falls, above],
        [ALIKE, FEW, NOTHING_TO_LOSE, STAYS, STANDS_OUT],
        FALLS,
    )
    known = {"trained": first.mean()[methods], "random": second.mean()[methods], "likeness": likeness}
    table = table.assign(**known, n_cases=len(first), verdict=verdict if len(first) >= FEWEST_CASES else FEW)
    return table.rename_axis("method").reset_index()


def _fewest_cases(n_methods: int) -> int:
    """With fewer no fall can be shown: 2 / 2^n is Wilcoxon's least p, and Holm multiplies it by the methods."""
    return max(FEWEST_CASES, math.ceil(1 + math.log2(n_methods / ALPHA)))


def _at_chance(scores: pd.DataFrame, metric: str, sign: int, methods: list[str]) -> NDArray[np.bool_]:
    """Whether each method's mean is no better than chance; False where chance is unknown."""
    if not knows_chance(scores, metric):
        return np.zeros(len(methods), np.bool_)
    means, chance = (case_means(scores, column).mean()[methods] for column in (metric, chance_column(metric)))
    return (sign * (means - chance) <= 0).to_numpy()


def randomisation_curves(
    trained: pd.DataFrame, randomised: pd.DataFrame, metric: str, facts: MetricFacts
) -> pd.DataFrame:
    """Means by stage with intervals: of the ``metric``, and of the rank correlation with the trained network's maps.

    Returns:
        Rows as of :func:`xairank.ranking.ladder.summarize_levels`, with ``measure``; level 0 is the trained network.
    """
    keys = ["seed", "fold", "sample", "method"]
    start = trained.merge(randomised[keys].drop_duplicates(), on=keys).assign(level=0, changed="nothing")
    start[SPEARMAN] = 1.0
    every = pd.concat([start, randomised], ignore_index=True)
    limits = {metric: facts.limits, SPEARMAN: (-1.0, 1.0)}
    curves = [summarize_levels(every, measure, some).assign(measure=measure) for measure, some in limits.items()]
    return pd.concat(curves, ignore_index=True)


def who_fails(table: pd.DataFrame, labels: Mapping[str, str]) -> str:
    """A sentence on the methods that fail, those whose fall is not shown, or that all pass; empty for too few cases.

    Example:
        >>> row = {"method": "guided", "trained": 0.3, "random": 0.29, "likeness": 0.8, "verdict": ALIKE}
        >>> who_fails(pd.DataFrame([row]), {"guided": "Guided backpropagation"})
        'Guided backpropagation fails the randomisation check (0.30 trained, 0.29 random, likeness of the maps 0.80).'
    """
    known = table[table["verdict"] != FEW]
    clauses = []
    for verdicts, one, several in _OUTCOMES:
        rows = known[known["verdict"].isin(verdicts)].to_dict("records")
        if rows:
            names = in_words([labels[row["method"]] for row in rows])
            clauses.append(f"{names} {one if len(rows) == 1 else several} ({'; '.join(map(_values, rows))})")
    if clauses:
        return f"{'; '.join(clauses)}."
    if known.empty:
        return ""
    passing = (
        "All methods pass"
        if len(known) == len(table)
        else f"{in_words([labels[name] for name in known['method']])} pass"
    )
    return f"{passing} the randomisation check: without the trained weights their scores fall."


def _values(row: Mapping[Hashable, Any]) -> str:
    return f"{row['trained']:.2f} trained, {row['random']:.2f} random, likeness of the maps {row['likeness']:.2f}"
