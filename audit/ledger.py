"""All tests of the document, corrected together: no question has a correction of its own."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from xairank.ranking.bootstrap import Interval, bootstrap_interval, detectable_difference, draw_resamples
from xairank.ranking.margins import Margin, tested_margins
from xairank.ranking.pairs import ALPHA
from xairank.ranking.wins import FEWEST_CASES

LARGER, SMALLER, NOT_SHOWN, FEW, UNTESTED = "larger", "smaller", "not shown", "too few", "not tested"
# A verdict as a sentence has it: one value is ... another one.
COMPARED = {
    LARGER: "larger than",
    SMALLER: "smaller than",
    NOT_SHOWN: "not shown to differ from",
    FEW: "on too few cases to compare with",
    UNTESTED: "not compared by a test with",
}


@dataclass(frozen=True)
class Decision:
    """What a test of the document shows.

    Attributes:
        difference: Mean over seeds and cases.
        low: Of its 95 % interval, not corrected.
        high: Of its 95 % interval.
        p: The larger of Wilcoxon's and the two-way test's, both corrected over the document; NaN where not tested.
        detectable: The least difference that would be found with 80 % probability were it the one of smallest p.
        n_cases: That were compared.
        n_seeds: Number of seeds.
        verdict: ``larger``, ``smaller``, ``not shown``, ``too few`` for fewer than six cases, or ``not tested``.
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
        if self.verdict in (FEW, UNTESTED):
            return f"{values}; n = {self.n_cases}, {'too few to test' if self.verdict == FEW else 'not tested'}"
        seen = ""
        if self.verdict == NOT_SHOWN and np.isfinite(self.detectable):
            least = f"{self.detectable:.2f}" if self.detectable <= 1 else "no difference up to 1"
            seen = f"; {least} would have been seen with 80 % probability"
        return f"{values}, {p_value(self.p)}, n = {self.n_cases}{seen}"


class Ledger:
    """Takes the differences that the questions test, and decides on all of them at once."""

    def __init__(self) -> None:
        self._margins: dict[str, Margin] = {}
        self._untested: set[str] = set()

    def add(self, question: int, what: str, margin: Margin, *, tested: bool = True) -> str:
        """Registers a difference; returns its name.

        Args:
            question: Its number.
            what: Is compared.
            margin: The difference.
            tested: Whether it is; otherwise it is estimated alone, and costs the others no power.

        Raises:
            ValueError: There is one of this name.
        """
        name = f"{question}. {what}"
        if name in self._margins:
            raise ValueError(f"{name}: registered twice")
        self._margins[name] = margin
        if not tested:
            self._untested.add(name)
        return name

    def decide(self) -> dict[str, Decision]:
        """Each by its name: Wilcoxon's and the two-way test, both corrected by Holm over all that are tested."""
        tested = {
            name: margin
            for name, margin in self._margins.items()
            if name not in self._untested and len(margin.by_case) >= FEWEST_CASES
        }
        table = tested_margins(tested) if tested else pd.DataFrame()
        rows = {str(name): row for name, row in table.iterrows()}
        return {
            name: _decided(margin, rows[name], ALPHA / len(tested)) if name in tested else self._estimated(name)
            for name, margin in self._margins.items()
        }

    def _estimated(self, name: str) -> Decision:
        """A difference without a test; without an interval too where there are too few cases."""
        by_seed = self._margins[name].by_seed
        n_seeds, n_cases = by_seed.shape
        limits = Interval(*[float("nan")] * 3)
        if n_cases:
            limits = bootstrap_interval(by_seed, draw_resamples(n_seeds, n_cases))
        few = n_cases < FEWEST_CASES
        low, high = (float("nan"), float("nan")) if few else limits[1:]
        return Decision(limits.mean, low, high, float("nan"), float("nan"), n_cases, n_seeds, FEW if few else UNTESTED)


def _decided(margin: Margin, row: pd.Series, alpha: float) -> Decision:
    """What a test shows; ``alpha`` is the least that Holm's correction asks for."""
    p = max(row["holm_p"], row["two_way_p"])
    verdict = NOT_SHOWN if p >= ALPHA else LARGER if row["difference"] > 0 else SMALLER
    limits = (float(row[f"difference{end}"]) for end in ("", "_low", "_high"))
    detectable = detectable_difference(margin.by_seed, alpha)
    n_seeds, n_cases = margin.by_seed.shape
    mean, low, high = limits
    return Decision(mean, low, high, float(p), detectable, n_cases, n_seeds, verdict)


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
