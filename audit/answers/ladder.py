"""4. What is left of Grad-CAM's lead when the others are blurred, and when it is taken at a finer layer?"""

from collections.abc import Mapping

import pandas as pd

from audit.answers.answer import Answer, Decisions, Finish, by_data
from audit.drawing import draw_curves
from audit.ledger import COMPARED, LARGER, NOT_SHOWN, SMALLER, Decision, Ledger, interval
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
    label,
    means,
    of,
    over,
    paired,
    real_or_all,
    said,
    styles,
)
from xairank.names import in_words
from xairank.ranking.ladder import summarize_levels
from xairank.schema import BLUR, LAYER

EDGES = "edges"
SHOWN = (*PAPER, EDGES, "own_mask")


def ask(study: Study, ledger: Ledger) -> Finish:
    """Compares Grad-CAM as it is with the others at their best blur, and with itself at its best finer layer."""
    levels, chosen = {}, {}
    tests: dict[tuple[str, ...], str] = {}
    for data in study.data():
        ladder = study.variants("ladder", data, "base", SHOWN)
        if ladder.empty:
            continue
        tested = data in real_or_all(study.data())
        scores = study.scores(data, methods=SHOWN)
        blurred = pd.concat([scores.assign(level=0.0), ladder[ladder["variant"] == BLUR]], ignore_index=True)
        layers = ladder[(ladder["variant"] == LAYER) & (ladder["method"] == GRADCAM)]
        levels[data] = (blurred, layers)
        for other in (SALIENCY, IG):
            sigma = best_level(of(blurred, other))
            at_best = of(blurred[blurred["level"] == sigma], other)
            chosen[data, other] = f"{sigma:.0f}"
            what = f"{DATA[data]}: Grad-CAM against {label(other)} at its best blur"
            tests[data, other] = ledger.add(4, what, paired(of(scores, GRADCAM), at_best), tested=tested)
            what = f"{DATA[data]}: {label(other)} at its best blur against itself without"
            tests[data, other, "gain"] = ledger.add(4, what, paired(at_best, of(scores, other)), tested=tested)
        sigma = best_level(of(blurred, EDGES))
        chosen[data, EDGES] = f"{sigma:.0f}"
        margin = paired(of(blurred[blurred["level"] == sigma], EDGES), of(scores, GRADCAM))
        what = f"{DATA[data]}: {label(EDGES)} at their best blur against {label(GRADCAM)}"
        tests[data, EDGES] = ledger.add(4, what, margin, tested=tested)
        finer = layers[layers["level"] < layers["level"].max()]
        if len(finer):
            layer = best_level(finer)
            at_best = finer[finer["level"] == layer]
            chosen[data, GRADCAM] = str(at_best["changed"].iloc[0])
            what = f"{DATA[data]}: Grad-CAM at its best finer layer against its last"
            tests[data, GRADCAM] = ledger.add(4, what, paired(at_best, of(scores, GRADCAM)), tested=tested)

    def finish(decisions: Decisions) -> Answer:
        decided = {key: decisions[name] for key, name in tests.items()}
        names = list(levels)
        real = real_or_all(names)
        kept = [data for data in real if all(decided[data, other].verdict == LARGER for other in (SALIENCY, IG))]
        left = [f"{_least(decided, data)} ({IN_A_SENTENCE[data]})" for data in real]
        short = (
            f"With the others at their best blur, Grad-CAM's lead over both is shown on {over(kept)}; against the "
            f"better of them it is {in_words(left)}."
        )
        return Answer(
            short,
            by_data(_sentence(data, decided, chosen) for data in real),
            (
                "Data",
                "Lead over saliency",
                "Over blurred saliency",
                "Over IG",
                "Over blurred IG",
                "Blurred edges minus Grad-CAM",
                "Finer layer minus last",
            ),
            [_row(data, decisions, decided, chosen) for data in names],
            draw_curves(
                {DATA[data]: _curve(levels[data][0]) for data in names},
                styles(SHOWN),
                "Blur of the maps: standard deviation in pixels",
                "Top-K Overlap",
            ),
            facts={"kept": kept, "real": real, "decided": decided, "chosen": chosen},
        )

    return finish


def best_level(rows: pd.DataFrame) -> float:
    """The level of the best mean over cases."""
    by_level = means(rows.assign(method=rows["level"]))
    return float(by_level.index[0])


def _curve(blurred: pd.DataFrame) -> pd.DataFrame:
    found = summarize_levels(blurred.assign(changed=""), METRIC, FACTS.limits)
    return found.assign(tick=found["level"].map("{:g}".format))


def _least(decided: Mapping[tuple[str, ...], Decision], data: str) -> str:
    """The smaller of the leads over the blurred methods."""
    one = min((decided[data, other] for other in (SALIENCY, IG)), key=lambda decision: decision.difference)
    return interval(one.difference, one.low, one.high)


def _row(
    data: str, decisions: Decisions, decided: Mapping[tuple[str, ...], Decision], chosen: Mapping[tuple[str, str], str]
) -> list[str]:
    cells = [DATA[data]]
    for other in (SALIENCY, IG):
        raw = decisions[f"1. {DATA[data]}: {label(GRADCAM)} against {label(other)}"]
        cells += [raw.cell, f"{decided[data, other].cell} ({chosen[data, other]})"]
    finer, edges = (data, GRADCAM), (data, EDGES)
    cells.append(f"{decided[edges].cell} ({chosen[edges]})")
    return [*cells, f"{decided[finer].cell} ({chosen[finer]})" if finer in decided else "-"]


def _sentence(data: str, decided: Mapping[tuple[str, ...], Decision], chosen: Mapping[tuple[str, str], str]) -> str:
    clauses = [
        f"{COMPARED[decided[data, other].verdict]} that of {said(other)} blurred by {chosen[data, other]} pixels "
        f"({decided[data, other]})"
        for other in (SALIENCY, IG)
    ]
    gains = [f"{said(other)}'s by {decided[data, other, 'gain']}" for other in (SALIENCY, IG)]
    text = f"{DATA[data]}: the best blur changes {'; '.join(gains)}. Grad-CAM's overlap is {in_words(clauses)}"
    edges = decided[data, EDGES]
    text += (
        f". That of the edges, which know nothing of the network, blurred by {chosen[data, EDGES]} pixels, is "
        f"{COMPARED[edges.verdict]} Grad-CAM's ({edges})"
    )
    finer = decided.get((data, GRADCAM))
    if finer is None:
        return f"{text}."
    words = {LARGER: "scores more than", SMALLER: "scores less than", NOT_SHOWN: "is not shown to differ from itself"}
    verb = words.get(finer.verdict, "has too few cases beside")
    return f"{text}. At {chosen[data, GRADCAM]}, its best finer layer, Grad-CAM {verb} at its last ({finer})."
