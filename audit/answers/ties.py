"""2. How many of Grad-CAM's wins are ties cut in its favour?"""

import pandas as pd

from audit.answers.answer import Answer, Decisions, Finish, by_data
from audit.drawing import draw_shares
from audit.ledger import Ledger, interval
from audit.study import DATA, GRADCAM, IN_A_SENTENCE, METRIC, Study, by_case, of, real_or_all
from xairank.names import in_words
from xairank.ranking.bootstrap import Interval, rate_interval
from xairank.ranking.wins import DECIMALS, win_shares

POSITION = "topk_by_position"
OUTRIGHT, TIED, NOTHING, LOST = "won outright", "tied for the best", "tied at no overlap at all", "lost"
COLORS = {OUTRIGHT: "#0072B2", TIED: "#56B4E9", NOTHING: "#E69F00", LOST: "0.8"}


def ask(study: Study, _: Ledger) -> Finish:
    """Counts: the same maps, scored and ranked in other ways, leave nothing to test."""
    outcomes = {data: outcomes_of(study.scores(data)) for data in study.data()}
    rates = {data: _rates(study.scores(data)) for data in outcomes}

    def finish(_: Decisions) -> Answer:
        rows = [_row(data, _pairs(study.scores(data)), outcomes[data], rates[data]) for data in outcomes]
        real = real_or_all(outcomes)
        shares = {part: [outcomes[data].get(part, 0.0) for data in outcomes] for part in COLORS}
        gains = {data: rates[data]["first"].mean - rates[data]["shared"].mean for data in rates}
        largest = max(real, key=gains.__getitem__)
        short = (
            f"Giving ties to the first method listed, as the released code does, adds at most {gains[largest]:.2f} to "
            f"Grad-CAM's win rate on real data ({IN_A_SENTENCE[largest]})."
        )
        return Answer(
            short,
            by_data(_sentence(data, outcomes[data], rates[data]) for data in real),
            ("Data", "Images x seeds", "Won outright", "Tied", "Tied at 0", "Ties shared", "First wins", "By position"),
            rows,
            draw_shares([DATA[data] for data in outcomes], shares, COLORS, "Share of images, over seeds"),
            facts={"gains": gains, "rates": rates},
        )

    return finish


def outcomes_of(scores: pd.DataFrame) -> dict[str, float]:
    """The share of images and seeds on which Grad-CAM alone is best, shares the best overlap, or none, or loses."""
    table = scores.assign(value=scores[METRIC].round(DECIMALS)).pivot(
        index=["seed", "sample"], columns="method", values="value"
    )
    best = table.max(axis=1)
    is_best = table[GRADCAM] == best
    alone = table.eq(best, axis=0).sum(axis=1) == 1
    parts = {
        OUTRIGHT: is_best & alone,
        TIED: is_best & ~alone & (best > 0),
        NOTHING: is_best & ~alone & (best == 0),
        LOST: ~is_best,
    }
    return {part: float(found.mean()) for part, found in parts.items()}


def _rates(scores: pd.DataFrame) -> dict[str, Interval]:
    """Grad-CAM's win rate in three ways of counting."""
    ways = {
        "shared": win_shares(scores, METRIC),
        "first": win_shares(scores, METRIC, ties="first"),
        "position": win_shares(scores, POSITION, ties="first"),
    }
    return {
        name: rate_interval(by_case(of(scores.assign(win=win), GRADCAM), "win")[GRADCAM]) for name, win in ways.items()
    }


def _row(data: str, n_pairs: str, outcomes: dict[str, float], rates: dict[str, Interval]) -> list[str]:
    shares = [f"{outcomes[part]:.2f}" for part in (OUTRIGHT, TIED, NOTHING)]
    return [DATA[data], n_pairs, *shares, *(interval(*rate) for rate in rates.values())]


def _sentence(data: str, outcomes: dict[str, float], rates: dict[str, Interval]) -> str:
    won = outcomes[OUTRIGHT] + outcomes[TIED] + outcomes[NOTHING]
    if won == 0:
        return f"{DATA[data]}: Grad-CAM wins no image."
    ties = (outcomes[TIED] + outcomes[NOTHING]) / won
    clauses = [f"{100 * ties:.0f} % of the images that it wins or shares are ties"]
    if outcomes[NOTHING]:
        clauses.append(f"on {100 * outcomes[NOTHING]:.1f} % of all images no map meets the defect at all")
    change = rates["position"].mean - rates["first"].mean
    clauses.append(f"to cut ties inside a map by position changes its win rate by {change + 0:+.2f}")
    return f"{DATA[data]}: {in_words(clauses)}."


def _pairs(scores: pd.DataFrame) -> str:
    return f"{len(of(scores, GRADCAM)):,}"
