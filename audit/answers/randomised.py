"""8. Do the maps pass randomisation?"""

import pandas as pd
from matplotlib.figure import Figure

from audit.answers.answer import Answer, Decisions, Finish
from audit.drawing import draw_curves
from audit.ledger import LARGER, Decision, Ledger
from audit.study import (
    DATA,
    IN_A_SENTENCE,
    METRIC,
    METRICS,
    PAPER,
    Study,
    label,
    means,
    of,
    paired,
    real_or_all,
    said,
    styles,
)
from xairank.names import in_words
from xairank.ranking.randomisation import LIKENESS, randomisation_curves
from xairank.schema import SPEARMAN

SHOWN = (*PAPER, "guided_backprop")
PASSES, ALIKE, STAYS = "passes", "fails: maps stay alike", "not shown to fall"


def ask(study: Study, ledger: Ledger) -> Finish:
    """Compares each method with itself on a network whose weights are all re-initialised."""
    levels, tests = {}, {}
    for data in study.data(switch="randomised"):
        rows = study.variants("randomised", data, "randomised", SHOWN)
        if rows.empty:
            continue
        trained = study.scores(data, "randomised", SHOWN)
        last = rows[rows["level"] == rows["level"].max()]
        levels[data] = (trained, rows, last)
        for method in dict.fromkeys(rows["method"]):
            what = f"{DATA[data]}: {label(method)}, trained against re-initialised"
            tests[data, method] = ledger.add(8, what, paired(of(trained, method), of(last, method)))

    def finish(decisions: Decisions) -> Answer:
        decided = {key: decisions[name] for key, name in tests.items()}
        likeness = {data: means(last, SPEARMAN) for data, (_, _, last) in levels.items()}
        verdicts = {key: _verdict(decided[key], likeness[key[0]][key[1]]) for key in decided}
        rows = [
            [
                f"{DATA[data]}: {label(method)}",
                f"{means(levels[data][0])[method]:.2f}",
                f"{means(levels[data][2])[method]:.2f}",
                decision.cell,
                f"{likeness[data][method]:.2f}",
                verdicts[data, method],
            ]
            for (data, method), decision in decided.items()
        ]
        real = real_or_all(levels)
        passed = {data: [m for m in PAPER if verdicts.get((data, m)) == PASSES] for data in real}
        listed = [f"{in_words([said(m) for m in own]) or 'none'} on {IN_A_SENTENCE[d]}" for d, own in passed.items()]
        short = f"Of the paper's methods, those that pass the randomisation check are {'; '.join(listed)}."
        return Answer(
            short,
            " ".join(_sentence(data, levels[data], decided, likeness[data], verdicts) for data in real),
            ("Data and method", "Trained", "Re-initialised", "Difference", "Likeness", "Verdict"),
            rows,
            _figure(levels),
            facts={"passed": passed, "verdicts": verdicts},
        )

    return finish


def _verdict(decision: Decision, likeness: float) -> str:
    return ALIKE if likeness >= LIKENESS else PASSES if decision.verdict == LARGER else STAYS


def _figure(levels: dict[str, tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]]) -> Figure:
    panels = {}
    for data, (trained, rows, _) in levels.items():
        curves = randomisation_curves(trained, rows, METRIC, METRICS[METRIC])
        for measure, name in ((METRIC, "overlap"), (SPEARMAN, "likeness")):
            own = curves[curves["measure"] == measure]
            panels[f"{DATA[data]}: {name}"] = own.assign(
                tick=own["level"].map(lambda level: f"{level:g}" if level else "none")
            )
    return draw_curves(panels, styles(SHOWN), "Stages re-initialised, from the head down", "Overlap, rank correlation")


def _sentence(
    data: str,
    levels: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
    decided: dict[tuple[str, str], Decision],
    likeness: pd.Series,
    verdicts: dict[tuple[str, str], str],
) -> str:
    clauses = []
    for method in SHOWN:
        if (data, method) not in decided:
            continue
        decision = decided[data, method]
        words = {PASSES: "loses", ALIKE: "keeps its maps", STAYS: "is not shown to lose"}[verdicts[data, method]]
        alike = f"likeness {likeness[method]:.2f}"
        clauses.append(f"{said(method)} {words} ({alike}, difference {decision})")
    return f"{DATA[data]}: without the trained weights {'; '.join(clauses)}."
