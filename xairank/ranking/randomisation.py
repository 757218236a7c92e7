"""The randomisation check: maps of a network without its weights must lose what the trained one's have.

Adebayo et al. ("Sanity checks for saliency maps", NeurIPS 2018) re-initialise a network from the head down. A method
whose maps stay alike explains the image, or the architecture, rather than what the network has learned.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from xairank.names import in_words
from xairank.ranking.cases import case_matrices, case_means
from xairank.ranking.chance import ABOVE
from xairank.ranking.controls import against_controls
from xairank.ranking.ladder import summarize_levels
from xairank.ranking.margins import Margin, tested_margins
from xairank.ranking.wins import FEWEST_CASES
from xairank.schema import SPEARMAN, MetricFacts

FALLS, STAYS, ALIKE, FEW = "falls", "not shown to fall", "maps stay alike", ""
STANDS_OUT = "stays above the controls"
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
        correlation of the maps; and ``verdict``: "maps stay alike" where that is at least 0.5, "not shown to fall",
        "stays above the controls" where the score without weights is shown to be above the best of them, or "falls",
        which alone is a pass; empty for fewer than six cases.
    """
    if randomised.empty:
        return pd.DataFrame(columns=["method", "trained", "random", "difference", "likeness", "verdict"])
    last = randomised[randomised["level"] == randomised["level"].max()]
    sign = 1 if facts.higher_is_better else -1
    methods = [name for name in dict.fromkeys(last["method"]) if name in set(trained["method"])]
    # The same seeds and images on both sides: those that were randomised.
    keys = ["seed", "sample", "method"]
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
    beside = controls.merge(last[["seed", "sample"]].drop_duplicates(), on=["seed", "sample"])
    against = against_controls(last, beside, metric, facts).set_index("method")["verdict"]
    above = np.array([against.get(name) == ABOVE for name in methods])
    verdict = np.select([likeness >= LIKENESS, ~falls, above], [ALIKE, STAYS, STANDS_OUT], FALLS)
    known = {"trained": first.mean()[methods], "random": second.mean()[methods], "likeness": likeness}
    table = table.assign(**known, verdict=verdict if len(first) >= FEWEST_CASES else FEW)
    return table.rename_axis("method").reset_index()


def randomisation_curves(trained: pd.DataFrame, randomised: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Means by stage with intervals: of the ``metric``, and of the rank correlation with the trained network's maps.

    Returns:
        Rows as of :func:`xairank.ranking.ladder.summarize_levels`, with ``measure``; level 0 is the trained network.
    """
    keys = ["seed", "sample", "method"]
    start = trained.merge(randomised[keys].drop_duplicates(), on=keys).assign(level=0, changed="nothing")
    start[SPEARMAN] = 1.0
    every = pd.concat([start, randomised], ignore_index=True)
    return pd.concat(
        [summarize_levels(every, measure).assign(measure=measure) for measure in (metric, SPEARMAN)], ignore_index=True
    )


def who_fails(table: pd.DataFrame, labels: Mapping[str, str]) -> str:
    """A sentence on the methods that do not fall, or that none fails; empty where nothing was checked.

    Example:
        >>> row = {"method": "guided", "trained": 0.3, "random": 0.29, "likeness": 0.8, "verdict": ALIKE}
        >>> who_fails(pd.DataFrame([row]), {"guided": "Guided backpropagation"})
        'Guided backpropagation fails the randomisation check: 0.30 trained, 0.29 random, likeness of the maps 0.80.'
    """
    known = table[table["verdict"] != FEW]
    if known.empty:
        return ""
    failing = known[known["verdict"] != FALLS].to_dict("records")
    if not failing:
        return "All methods pass the randomisation check: without the trained weights their scores fall."
    names = in_words([labels[row["method"]] for row in failing])
    values = "; ".join(
        f"{row['trained']:.2f} trained, {row['random']:.2f} random, likeness of the maps {row['likeness']:.2f}"
        for row in failing
    )
    return f"{names} {'fails' if len(failing) == 1 else 'fail'} the randomisation check: {values}."
