"""8. Do the maps pass randomisation?"""

import pandas as pd
from matplotlib.figure import Figure

from audit.answers.answer import Answer, Decisions, Finish, by_data
from audit.drawing import draw_curves
from audit.ledger import LARGER, SMALLER, Decision, Ledger
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

SHOWN = (*PAPER, "lrp", "guided_backprop")
PASSES, ALIKE, RISES, STAYS = "passes", "fails: maps stay alike", "fails: scores rise", "not shown to fall"


CELLS = ("randomised", "randomised_lrp")
Levels = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]  # scores trained, at each stage, and with no weight left

_WORDS = {PASSES: "loses", ALIKE: "keeps its maps", RISES: "gains", STAYS: "is not shown to lose"}


def ask(study: Study, ledger: Ledger) -> Finish:
    """Compares each method with itself on a network whose weights are all re-initialised."""
    levels: dict[str, Levels] = {}
    tests = {}
    for data in randomised_data(study):
        levels[data] = _levels(study, data)
        trained, _, last = levels[data]
        for method in dict.fromkeys(last["method"]):
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
        short = f"The randomisation check is passed, of the paper's methods, by {', and by '.join(listed)}."
        risen = [f"{said(m)} on {IN_A_SENTENCE[d]}" for d in real for m in PAPER if verdicts.get((d, m)) == RISES]
        short += f" Without the trained weights a higher overlap is shown of {in_words(risen)}." if risen else ""
        return Answer(
            short,
            by_data(_sentence(data, levels[data], decided, likeness[data], verdicts) for data in real),
            ("Data and method", "Trained", "Re-initialised", "Difference", "Likeness", "Verdict"),
            rows,
            _figure(levels),
            facts={"passed": passed, "verdicts": verdicts},
        )

    return finish


def randomised_data(study: Study) -> list[str]:
    """The data sets whose networks were re-initialised."""
    return [data for data in DATA if any((data, switch) in study.cells for switch in CELLS)]


def _levels(study: Study, data: str) -> Levels:
    """The results of all cells of a data set, of each method those of the first that has it."""
    trained, stages = [], []
    known: set[str] = set()
    for switch in CELLS:
        rows = study.variants("randomised", data, switch, [method for method in SHOWN if method not in known])
        own = set(rows["method"]) if len(rows) else set()
        known |= own
        stages.append(rows)
        trained.append(study.scores(data, switch, [method for method in SHOWN if method in own]))
    whole = pd.concat([rows for rows in stages if len(rows)], ignore_index=True)
    last = whole[whole["level"] == whole["level"].max()]
    return pd.concat(trained, ignore_index=True), whole, last


def _verdict(decision: Decision, likeness: float) -> str:
    if likeness >= LIKENESS:
        return ALIKE
    return {LARGER: PASSES, SMALLER: RISES}.get(decision.verdict, STAYS)


def _figure(levels: dict[str, Levels]) -> Figure:
    panels = {}
    for data, (trained, rows, _) in levels.items():
        # Method by method: not all were re-initialised on the same images.
        every = [
            randomisation_curves(of(trained, method), of(rows, method), METRIC, METRICS[METRIC])
            for method in dict.fromkeys(rows["method"])
        ]
        curves = pd.concat(every, ignore_index=True)
        for measure, name in ((METRIC, "overlap"), (SPEARMAN, "likeness")):
            own = curves[curves["measure"] == measure]
            panels[f"{DATA[data]}: {name}"] = own.assign(
                tick=own["level"].map(lambda level: f"{level:g}" if level else "none")
            )
    present = [method for method in SHOWN if any(method in set(last["method"]) for _, _, last in levels.values())]
    return draw_curves(
        panels, styles(present), "Stages re-initialised, from the head down", "Overlap, rank correlation"
    )


def _sentence(
    data: str,
    levels: Levels,
    decided: dict[tuple[str, str], Decision],
    likeness: pd.Series,
    verdicts: dict[tuple[str, str], str],
) -> str:
    clauses = []
    for method in SHOWN:
        if (data, method) not in decided:
            continue
        decision = decided[data, method]
        words = _WORDS[verdicts[data, method]]
        alike = f"likeness {likeness[method]:.2f}"
        clauses.append(f"{said(method)} {words} ({alike}, difference {decision})")
    return f"{DATA[data]}: without the trained weights {'; '.join(clauses)}."
