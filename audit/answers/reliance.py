"""7. Does the model rely on the defect, and does the ranking change on the images where it does?"""

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from audit.answers.answer import Answer, Decisions, Finish, by_data
from audit.drawing import Panel, draw_panels
from audit.ledger import LARGER, NOT_SHOWN, SMALLER, Decision, Ledger, interval
from audit.study import (
    DATA,
    GRADCAM,
    IN_A_SENTENCE,
    METRIC,
    Study,
    best_other,
    by_case,
    label,
    of,
    paired,
    real_or_all,
    styles,
    with_label,
)
from xairank.names import in_words
from xairank.ranking.bootstrap import Interval, rate_interval
from xairank.ranking.wins import win_shares
from xairank.schema import RELIED_ON_COLUMN

RELIED, IGNORED = "relied on", "not relied on"


def ask(study: Study, ledger: Ledger) -> Finish:
    """Compares Grad-CAM with the better other on the images and seeds whose defect the model uses."""
    names = [data for data in study.data() if RELIED_ON_COLUMN in study.scores(data)]
    others, tests = {}, {}
    for data in names:
        relied = _part(study, data, RELIED)
        if len(relied):
            others[data] = best_other(relied)
            what = f"{DATA[data]}, {RELIED}: Grad-CAM against {label(others[data])}"
            tests[data] = ledger.add(
                7, what, paired(of(relied, GRADCAM), of(relied, others[data])), tested=data in real_or_all(names)
            )

    def finish(decisions: Decisions) -> Answer:
        decided = {data: decisions[name] for data, name in tests.items()}
        shares = {data: _share(study.scores(data)) for data in names}
        rates = {part: {data: _rate(_part(study, data, part)) for data in names} for part in (RELIED, IGNORED)}
        rows = [
            [
                DATA[data],
                interval(*shares[data]),
                interval(*rates[RELIED][data]),
                interval(*rates[IGNORED][data]) if not np.isnan(rates[IGNORED][data].mean) else "-",
                f"{decided[data].cell} ({label(others[data])})" if data in decided else "-",
            ]
            for data in names
        ]
        real = real_or_all(names)
        listed = in_words([f"{interval(*shares[data])} ({IN_A_SENTENCE[data]})" for data in real])
        short = f"Of the images that it classifies correctly, the model relies on the defect in {listed}."
        return Answer(
            short,
            by_data(_sentence(data, shares[data], rates, decided.get(data)) for data in real),
            ("Data", "Share relied on", "Grad-CAM wins: relied on", "not relied on", "Lead where relied on"),
            rows,
            _figure(names, shares, rates),
            facts={"shares": shares, "decided": decided},
        )

    return finish


def _part(study: Study, data: str, part: str) -> pd.DataFrame:
    scores = study.scores(data)
    relied = scores[RELIED_ON_COLUMN] > 0
    return scores[relied if part == RELIED else ~relied]


def _share(scores: pd.DataFrame) -> Interval:
    relied = of(scores, GRADCAM).assign(relied=lambda rows: (rows[RELIED_ON_COLUMN] > 0).astype(float))
    return rate_interval(by_case(relied, "relied")[GRADCAM])


def _rate(scores: pd.DataFrame) -> Interval:
    if scores.empty:
        return Interval(np.nan, np.nan, np.nan)
    won = of(scores.assign(win=win_shares(scores, METRIC)), GRADCAM)
    return rate_interval(by_case(won, "win")[GRADCAM])


def _figure(names: list[str], shares: dict[str, Interval], rates: dict[str, dict[str, Interval]]) -> Figure:
    groups = [DATA[data] for data in names]
    style = styles([GRADCAM, "saliency", "integrated_gradients"])
    series = dict(zip(("share", RELIED, IGNORED), style, strict=True))
    words = {"share": "share relied on", RELIED: "Grad-CAM's win rate, relied on", IGNORED: "not relied on"}
    values = {"share": shares, **rates}
    panel = Panel("", groups, {name: {DATA[d]: v for d, v in some.items()} for name, some in values.items()}, np.nan)
    drawn = {name: with_label(style, method, words[name]) for name, method in series.items()}
    drawn["share"] = replace(drawn["share"], color="0.35")
    drawn[RELIED], drawn[IGNORED] = (
        replace(drawn[part], color=style[GRADCAM].color, line=line) for part, line in ((RELIED, "-"), (IGNORED, ":"))
    )
    return draw_panels([panel], drawn, "Share")


def _sentence(data: str, share: Interval, rates: dict[str, dict[str, Interval]], decision: Decision | None) -> str:
    text = f"{DATA[data]}: the model relies on the defect in {interval(*share)} of the images and seeds"
    first, second = rates[RELIED][data], rates[IGNORED][data]
    if not np.isnan(second.mean):
        text += f"; Grad-CAM wins {interval(*first)} of those and {interval(*second)} of the others"
    if decision is None:
        return f"{text}."
    words = {LARGER: "is ahead of", SMALLER: "is behind", NOT_SHOWN: "is not shown to be ahead of"}
    verb = words.get(decision.verdict, "cannot be compared with")
    return f"{text}; where it relies on it, Grad-CAM {verb} the better other ({decision})."
