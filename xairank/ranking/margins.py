"""By how much some values are better than others, paired case by case, with both tests and Holm's correction."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xairank.ranking.bootstrap import bootstrap_interval, draw_resamples, two_way_p
from xairank.ranking.pairs import ALPHA, holm, wilcoxon
from xairank.ranking.wins import DECIMALS


class Margin(NamedTuple):
    """Differences in favour of one side: (seeds, cases), and the same averaged over seeds, (cases,)."""

    by_seed: NDArray[np.float64]
    by_case: NDArray[np.float64]


def tested_margins(margins: Mapping[str, Margin]) -> pd.DataFrame:
    """Whether each mean margin is shown not to be zero.

    Args:
        margins: By name; all over the same seeds and cases.

    Returns:
        A row a margin: ``difference`` with limits ``_low`` and ``_high``, ``wilcoxon_p``, ``holm_p``, ``two_way_p``
        (corrected by Holm too, it allows for other seeds), and ``shown``, whether both corrected ones are below 5 %.
    """
    rows = []
    for margin in margins.values():
        interval = bootstrap_interval(margin.by_seed, draw_resamples(*margin.by_seed.shape))
        rows.append(
            {
                "difference": float(interval.mean),
                "difference_low": float(interval.low),
                "difference_high": float(interval.high),
                "wilcoxon_p": wilcoxon(margin.by_case.round(DECIMALS)),
                "two_way_p": two_way_p(margin.by_seed),
            }
        )
    table = pd.DataFrame(rows, index=list(margins))
    table["holm_p"], table["two_way_p"] = (holm(table[name].to_numpy()) for name in ("wilcoxon_p", "two_way_p"))
    return table.assign(shown=(table["holm_p"] < ALPHA) & (table["two_way_p"] < ALPHA))
