"""9. Does the ranking hold over seeds, folds and near-duplicates, and how many images would be needed?"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import norm

from audit.answers.answer import Answer, Decisions, Finish, by_data
from audit.drawing import draw_curves
from audit.ledger import Ledger
from audit.study import DATA, GRADCAM, METRIC, Study, best_other, of, paired, real_or_all, said
from xairank.figures.style import MethodStyle, method_styles
from xairank.names import count
from xairank.ranking.pairs import ALPHA, critical_difference
from xairank.ranking.wins import FEWEST_CASES
from xairank.schema import MethodFacts

POWER = 0.8
EFFICIENCY = 3 / np.pi  # of Wilcoxon's test beside Student's, for normal differences
PAPERS_IMAGES = 16
SMALL = 0.05  # a difference of overlap that one would like to see


class Spread(NamedTuple):
    """How Grad-CAM and the better other differ from case to case, each averaged over seeds."""

    other: str
    difference: float
    deviation: float
    n_cases: int

    def detectable(self, n_cases: float) -> float:
        """The least difference that so many cases show at 5 % with 80 % probability."""
        return float(_quantiles() * self.deviation / np.sqrt(EFFICIENCY * n_cases))

    def needed(self, difference: float) -> float:
        """How many cases show a difference; with fewer than six none is shown by Wilcoxon's test."""
        cases = (_quantiles() * self.deviation / difference) ** 2 / EFFICIENCY if difference else np.inf
        return float(max(cases, FEWEST_CASES))


def ask(study: Study, _: Ledger) -> Finish:
    """Counts and plans; nothing is tested."""
    names = study.data()
    spreads = {data: spread_of(study.scores(data)) for data in names}

    def finish(_: Decisions) -> Answer:
        rows = [_row(data, study.scores(data), spreads[data]) for data in names]
        real = real_or_all(names)
        at_16 = [spreads[data].detectable(PAPERS_IMAGES) for data in real]
        agree = {data: _agreeing(study.scores(data), "seed") for data in names}
        short = (
            f"The paper's {PAPERS_IMAGES} test images find differences of overlap above {min(at_16):.2f} to "
            f"{max(at_16):.2f}, by data set, with 80 % probability in a test of their own; to find {SMALL} takes "
            f"{_range([spreads[data].needed(SMALL) for data in real])} images."
        )
        return Answer(
            short,
            by_data(
                (_sentence(data, spreads[data], agree[data]) for data in real),
                f"By Nemenyi's test {PAPERS_IMAGES} images separate mean ranks of three methods that are "
                f"{critical_difference(PAPERS_IMAGES, 3):.2f} apart. Near-duplicates stay in one fold, and count "
                "as one case.",
            ),
            (
                *("Data", "Images, cases", "Same best method: seeds", "folds", "Deviation"),
                *(f"Detectable: {PAPERS_IMAGES} cases", "these cases", f"Cases needed: {SMALL}", "observed"),
            ),
            rows,
            _figure(spreads),
            facts={"spreads": spreads, "at_16": dict(zip(real, at_16, strict=True)), "agree": agree},
        )

    return finish


def spread_of(scores: pd.DataFrame) -> Spread:
    """The difference between Grad-CAM and the better other from case to case."""
    other = best_other(scores)
    by_case = paired(of(scores, GRADCAM), of(scores, other)).by_case
    return Spread(other, float(by_case.mean()), float(by_case.std(ddof=1)), len(by_case))


def _agreeing(scores: pd.DataFrame, key: str) -> tuple[int, int]:
    """In how many seeds, or folds, the best method is that of all together; and of how many."""
    best = scores.groupby("method")[METRIC].mean().idxmax()
    own = scores.groupby([key, "method"])[METRIC].mean().unstack().idxmax(axis=1)
    return int((own == best).sum()), len(own)


def _row(data: str, scores: pd.DataFrame, spread: Spread) -> list[str]:
    seeds, folds = (" of ".join(map(str, _agreeing(scores, key))) for key in ("seed", "fold"))
    return [
        DATA[data],
        f"{scores['sample'].nunique()}, {scores['case'].nunique()}",
        seeds,
        folds,
        f"{spread.deviation:.2f}",
        f"{spread.detectable(PAPERS_IMAGES):.2f}",
        f"{spread.detectable(spread.n_cases):.2f}",
        _number(spread.needed(SMALL)),
        _number(spread.needed(spread.difference)),
    ]


def _sentence(data: str, spread: Spread, agree: tuple[int, int]) -> str:
    return (
        f"{DATA[data]}: the same method is best in {agree[0]} of {count(agree[1], 'seed')}; Grad-CAM and "
        f"{said(spread.other)} differ by {spread.difference:.2f} in the mean over cases, with a standard deviation of "
        f"{spread.deviation:.2f}; {spread.n_cases} cases show a difference of {spread.detectable(spread.n_cases):.2f}, "
        f"and {_number(spread.needed(spread.difference))} are needed to show the one observed."
    )


def _quantiles() -> float:
    return float(norm.ppf(1 - ALPHA / 2) + norm.ppf(POWER))


def _number(cases: float) -> str:
    return f"{int(np.ceil(cases)):,}" if cases < 100_000 else "over 100,000"


def _range(numbers: list[float]) -> str:
    low, high = _number(min(numbers)), _number(max(numbers))
    return low if low == high else f"{low} to {high}"


def _figure(spreads: dict[str, Spread]) -> Figure:
    numbers = np.geomspace(8, 512, 25)
    rows = [
        {"level": number, "method": data, "score": spread.detectable(number)}
        for data, spread in spreads.items()
        for number in numbers
    ]
    drawn: dict[str, MethodStyle] = method_styles({data: MethodFacts(DATA[data]) for data in spreads})
    return draw_curves({"": pd.DataFrame(rows)}, drawn, "Cases", "Detectable difference of overlap", log=True)
