"""1. How often does each method win, with intervals, on each data set?"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from audit.answers.answer import Answer, Decisions, Finish, by_data
from audit.drawing import Panel, draw_panels
from audit.ledger import COMPARED, LARGER, Decision, Ledger, interval
from audit.study import (
    DATA,
    FACTS,
    GRADCAM,
    IG,
    IN_A_SENTENCE,
    METRIC,
    PAPER,
    SALIENCY,
    Study,
    by_case,
    label,
    of,
    over,
    paired,
    real_or_all,
    said,
    styles,
)
from xairank.names import count, in_words
from xairank.ranking.bootstrap import Interval, rate_interval
from xairank.ranking.statistics import summarize_methods
from xairank.ranking.wins import OVERALL, win_rates, win_shares
from xairank.schema import TEST, TRAIN
from xairank.tables.published import published_win_rates

Rows = Mapping[str, Mapping[Any, Any]]  # by method, of summarize_methods


def ask(study: Study, ledger: Ledger) -> Finish:
    """Compares the paper's three methods, each two of them, on each data set."""
    found: dict[str, Rows] = {}
    tests = {}
    for data in study.data():
        scores = study.scores(data)
        found[data] = {str(row["method"]): row for row in summarize_methods(scores, METRIC, FACTS).to_dict("records")}
        for first, second in ((GRADCAM, SALIENCY), (GRADCAM, IG), (IG, SALIENCY)):
            what = f"{DATA[data]}: {label(first)} against {label(second)}"
            tests[data, first, second] = ledger.add(1, what, paired(of(scores, first), of(scores, second)))

    def finish(decisions: Decisions) -> Answer:
        decided = {key: decisions[name] for key, name in tests.items()}
        ahead = {
            data: [other for other in (SALIENCY, IG) if decided[data, GRADCAM, other].verdict == LARGER]
            for data in found
        }
        rows = [_row(data, method, found[data][method], study) for data in found for method in PAPER]
        real = real_or_all(found)
        rates = {data: _rate(found[data][GRADCAM]) for data in real}
        paper = float(published()[TEST])
        both = [data for data in real if len(ahead[data]) == 2]
        listed = in_words([f"{interval(*rates[data])} ({IN_A_SENTENCE[data]})" for data in real])
        short = (
            f"On real data Grad-CAM wins {listed} of the images, where the paper has {paper:.2f} on its test images; "
            f"its overlap is shown to be larger than that of both others on {over(both, 'none of them')}."
        )
        return Answer(
            short,
            by_data((_sentence(study, data, found[data], decided) for data in real), _orders(study, real)),
            ("Data and method", "Images, seeds", "Ranked", "Win rate", "in training", "Top-K Overlap", "Chance"),
            rows,
            draw_panels([_panel(found)], styles(PAPER), "Win rate", band=sorted(published())),
            facts={
                "rates": rates,
                "classes": {data: _by_class(study.scores(data)) for data in real},
                "ahead": ahead,
                "decided": decided,
                "real": real,
                "images": {data: study.scores(data)["sample"].nunique() for data in real},
                "accuracy": {data: float(study.runs(data)["test_balanced_accuracy"].mean()) for data in real},
            },
        )

    return finish


def _rate(row: Mapping[Any, Any]) -> Interval:
    return Interval(*(float(row[name]) for name in ("win_rate", "win_rate_low", "win_rate_high")))


def _score(row: Mapping[Any, Any]) -> Interval:
    return Interval(*(float(row[name]) for name in ("score", "score_low", "score_high")))


def _row(data: str, method: str, row: Mapping[Any, Any], study: Study) -> list[str]:
    scores = study.scores(data)
    ranked = scores[scores["method"] == method].groupby("seed")["sample"].nunique()
    missed = study.excluded(data)
    missed = missed[missed["reason"] == "misclassified"]
    lost = missed[missed["label"] != "good"].groupby("seed").size().reindex(ranked.index, fill_value=0)
    share = float((ranked / (ranked + lost)).mean())
    return [
        f"{DATA[data]}: {label(method)}",
        study.basis(scores),
        f"{share:.2f}",
        interval(*_rate(row)),
        _in_training(study.scores(data, split=TRAIN), method),
        interval(*_score(row)),
        f"{row['chance']:.2f}",
    ]


def _by_class(scores: pd.DataFrame) -> dict[str, Interval]:
    """Grad-CAM's win rate in each class of defects."""
    won = of(scores.assign(win=win_shares(scores, METRIC)), GRADCAM)
    classes = won.groupby("label", sort=True)
    return {str(name): rate_interval(by_case(rows, "win")[GRADCAM]) for name, rows in classes}


def _in_training(scores: pd.DataFrame, method: str) -> str:
    if scores.empty:
        return "-"
    won = of(scores.assign(win=win_shares(scores, METRIC)), method)
    return interval(*rate_interval(by_case(won, "win")[method]))


def _sentence(study: Study, data: str, rows: Rows, decided: Mapping[tuple[str, str, str], Decision]) -> str:
    """The wins on a data set, overall and by class, and what the tests show."""
    rates = in_words([f"{said(method)} {interval(*_rate(rows[method]))}" for method in PAPER])
    clauses = []
    for other in (SALIENCY, IG):
        decision = decided[data, GRADCAM, other]
        clauses.append(f"{COMPARED[decision.verdict]} that of {said(other)} ({decision})")
    scores = study.scores(data)
    sizes = scores.groupby("label")["sample"].nunique()
    listed = [
        f"{name.replace('_', ' ')} {interval(*rate)} of {count(int(sizes[name]), 'image')}"
        for name, rate in _by_class(scores).items()
    ]
    text = f"{DATA[data]}: win rates are {rates}. Grad-CAM's overlap is {in_words(clauses)}."
    return f"{text} In single classes it wins: {in_words(listed)}."


def _orders(study: Study, names: list[str]) -> str:
    """In how many seeds which method wins most often."""
    clauses = []
    for data in names:
        rates = win_rates(study.scores(data), METRIC)
        overall = rates[rates["label"] == OVERALL].pivot(index="seed", columns="method", values="win_rate")
        first = overall.idxmax(axis=1)
        clauses.append(f"{int((first == GRADCAM).sum())} of {len(first)} ({IN_A_SENTENCE[data]})")
    return f"Grad-CAM wins most often in {in_words(clauses)} seeds."


def _panel(found: Mapping[str, Rows]) -> Panel:
    groups = [DATA[data] for data in found]
    values = {method: {DATA[data]: _rate(rows[method]) for data, rows in found.items()} for method in PAPER}
    return Panel("", groups, values, 1 / 3)


def published() -> pd.Series:
    """What the paper has for Grad-CAM, over its ten seeds, by split."""
    rates = published_win_rates()
    rates = rates[(rates["method"] == GRADCAM) & (rates["label"] == OVERALL)]
    return rates.groupby("split")["win_rate"].mean()
