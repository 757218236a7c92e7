"""All tests of the document, corrected together: no question has a correction of its own."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from xairank.ranking.bootstrap import detectable_difference
from xairank.ranking.margins import Margin, tested_margins
from xairank.ranking.pairs import ALPHA
from xairank.ranking.wins import FEWEST_CASES

LARGER, SMALLER, NOT_SHOWN, FEW = "larger", "smaller", "not shown", "too few"
# A verdict as a sentence has it: one value is ... another one.
COMPARED = {
    LARGER: "larger than",
    SMALLER: "smaller than",
    NOT_SHOWN: "not shown to differ from",
    FEW: "on too few cases to compare with",
}


@dataclass(frozen=True)
class Decision:
    """What a test of the document shows.

    Attributes:
        difference: Mean over seeds and cases.
        low: Of its 95 % interval, not corrected.
        high: Of its 95 % interval.
        p: The larger of Wilcoxon's and the two-way test's, both corrected over the document; NaN where not tested.
        detectable: The least difference that would be found with 80 % probability, at 5 % before any correction.
        n_cases: That were compared.
        n_seeds: Number of seeds.
        verdict: ``larger``, ``smaller``, ``not shown``, or ``too few`` for fewer than six cases.
    """

    difference: float
    low: float
    high: float
    p: float
    detectable: float
    n_cases: int
    n_seeds: int
    verdict: str

    @property
    def cell(self) -> str:
        """The difference as a table has it: in bold where it is shown not to be 0."""
        text = interval(self.difference, self.low, self.high)
        return f"**{text}**" if self.verdict in (LARGER, SMALLER) else text

    def __str__(self) -> str:
        """The difference as a sentence has it, in brackets."""
        values = interval(self.difference, self.low, self.high)
        if self.verdict == FEW:
            return f"{values}; n = {self.n_cases}, too few to test"
        seen = ""
        if self.verdict == NOT_SHOWN and np.isfinite(self.detectable):
            seen = f"; {self.detectable:.2f} would have been seen with 80 % probability"
        return f"{values}, {p_value(self.p)}, n = {self.n_cases}{seen}"


class Ledger:
    """Takes the differences that the questions test, and decides on all of them at once."""

    def __init__(self) -> None:
        self._margins: dict[str, Margin] = {}

    def add(self, question: int, what: str, margin: Margin) -> str:
        """Registers a test; returns its name.

        Raises:
            ValueError: There is one of this name.
        """
        name = f"{question}. {what}"
        if name in self._margins:
            raise ValueError(f"{name}: registered twice")
        self._margins[name] = margin
        return name

    def decide(self) -> dict[str, Decision]:
        """Each test by its name: Wilcoxon's and the two-way test, both corrected by Holm over all of them."""
        tested = {name: margin for name, margin in self._margins.items() if len(margin.by_case) >= FEWEST_CASES}
        table = tested_margins(tested) if tested else pd.DataFrame()
        decided = {}
        for name, margin in self._margins.items():
            n_seeds, n_cases = margin.by_seed.shape
            if name not in tested:
                mean = float(np.mean(margin.by_case)) if n_cases else float("nan")
                nan = float("nan")
                decided[name] = Decision(mean, nan, nan, nan, nan, n_cases, n_seeds, FEW)
                continue
            row = {str(key): float(value) for key, value in table.loc[name].items()}
            p = max(row["holm_p"], row["two_way_p"])
            verdict = NOT_SHOWN if p >= ALPHA else LARGER if row["difference"] > 0 else SMALLER
            mean, low, high = (row[f"difference{end}"] for end in ("", "_low", "_high"))
            decided[name] = Decision(
                mean, low, high, p, detectable_difference(margin.by_seed), n_cases, n_seeds, verdict
            )
        return decided


def interval(mean: float, low: float, high: float, decimals: int = 2) -> str:
    """A mean with its interval, where it has one.

    Example:
        >>> interval(0.5, 0.41, 0.6), interval(-0.001, float("nan"), float("nan"))
        ('0.50 [0.41, 0.60]', '0.00')
    """
    mean, low, high = (round(value, decimals) + 0.0 for value in (mean, low, high))  # no minus before zero
    return f"{mean:.{decimals}f}" if np.isnan(low) else f"{mean:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"


def p_value(p: float) -> str:
    """A p-value in words.

    Example:
        >>> p_value(0.0312), p_value(0.0000001), p_value(1.0)
        ('p = 0.031', 'p < 0.001', 'p = 1')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
