"""3. Does any method beat the centre, the edges, the model's own mask?"""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from audit.answers.answer import Answer, Decisions, Finish, by_data
from audit.drawing import Panel, draw_panels
from audit.ledger import COMPARED, LARGER, Decision, Ledger
from audit.study import (
    CONTROLS,
    DATA,
    FACTS,
    GRADCAM,
    IN_A_SENTENCE,
    METHODS,
    METRIC,
    PAPER,
    TITLES,
    Study,
    by_case,
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
from xairank.ranking.bootstrap import Interval, bootstrap_interval, draw_resamples

NOTHING_KNOWN = ("center", "edges")  # of the model
SHOWN = (*NOTHING_KNOWN, "own_mask")
# Guided backpropagation is shown, but no candidate: it is known to fail the randomisation check.
CANDIDATES = tuple(method for method in METHODS if method != "guided_backprop")


def ask(study: Study, ledger: Ledger) -> Finish:
    """Compares the paper's methods with maps that say nothing of what the model decides, and with its own mask."""
    names = study.data()
    tests, best = {}, {}
    for data in names:
        scores = study.scores(data, methods=[*METHODS, *CONTROLS])
        best[data] = next(str(method) for method in means(scores).index if method in CANDIDATES)
        for method in dict.fromkeys([*PAPER, best[data]]):
            tested = data in real_or_all(names) or method == GRADCAM
            for control in SHOWN:
                if control in set(scores["method"]):
                    what = f"{DATA[data]}: {label(method)} against {label(control).lower()}"
                    tests[data, method, control] = ledger.add(
                        3, what, paired(of(scores, method), of(scores, control)), tested=tested
                    )
        if best[data] != GRADCAM:
            what = f"{DATA[data]}: {label(best[data])}, the best of all, against {label(GRADCAM)}"
            margin = paired(of(scores, best[data]), of(scores, GRADCAM))
            tests[data, best[data], GRADCAM] = ledger.add(3, what, margin, tested=data in real_or_all(names))

    def finish(decisions: Decisions) -> Answer:
        decided = {key: decisions[name] for key, name in tests.items()}
        rows = [
            [f"{DATA[data]}: {label(method)}", *(_cell(decided, data, method, control) for control in SHOWN)]
            for data in names
            for method in dict.fromkeys([*PAPER, best[data]])
        ]
        beaten = {
            data: [m for m in PAPER if all(decided[data, m, c].verdict == LARGER for c in NOTHING_KNOWN)]
            for data in names
        }
        real = real_or_all(names)
        winners = in_words([f"{said(best[data])} on {IN_A_SENTENCE[data]}" for data in real])
        return Answer(
            f"{_who_beats({data: beaten[data] for data in real})} The candidates of the highest mean: {winners}.",
            by_data(_sentence(data, decided, best[data]) for data in real),
            ("Data and method", "Minus centre", "Minus edges", "Minus own mask"),
            rows,
            _figure(study, names),
            facts={
                "beaten": beaten,
                "real": real,
                "decided": decided,
                "best": best,
                "candidates": {data: _candidates(study, data) for data in real},
            },
        )

    return finish


def _candidates(study: Study, data: str) -> list[str]:
    """The methods beside the paper's three that were run and may be the best."""
    run = set(study.scores(data, methods=list(METHODS))["method"])
    return [method for method in CANDIDATES if method in run and method not in PAPER]


def _who_beats(beaten: Mapping[str, Sequence[str]]) -> str:
    """Which methods beat both controls that know nothing of the model, data sets with the same ones together.

    Example:
        >>> _who_beats({"hazelnut": [], "tiles": ["gradcam"], "transistor": []})
        'Shown to have a larger overlap than both centre and edges: none of the three on hazelnuts and transistors; \
Grad-CAM on magnetic tiles.'
    """
    places: dict[tuple[str, ...], list[str]] = {}
    for data, methods in beaten.items():
        places.setdefault(tuple(methods), []).append(data)
    clauses = [
        f"{in_words([said(method) for method in methods]) or 'none of the three'} on {over(where)}"
        for methods, where in places.items()
    ]
    return f"Shown to have a larger overlap than both centre and edges: {'; '.join(clauses)}."


def _cell(decided: Mapping[tuple[str, str, str], Decision], *key: str) -> str:
    return decided[key].cell if key in decided else "-"  # type: ignore[index]


def _sentence(data: str, decided: Mapping[tuple[str, str, str], Decision], best: str) -> str:
    clauses = [
        f"{COMPARED[decision.verdict]} the {said(control)} ({decision})"
        for control in SHOWN
        if (decision := decided.get((data, GRADCAM, control)))
    ]
    text = f"{DATA[data]}: Grad-CAM's overlap is {in_words(clauses)}"
    if best == GRADCAM:
        return f"{text}. It is the best of all candidates."
    edges, rival = decided[data, best, "edges"], decided[data, best, GRADCAM]
    return (
        f"{text}. The best of all candidates is {said(best)}, {COMPARED[edges.verdict]} the edges ({edges}) "
        f"and {COMPARED[rival.verdict]} Grad-CAM ({rival})."
    )


def _figure(study: Study, names: list[str]) -> Figure:
    panels, present = [], set()
    every = {data: study.scores(data, methods=[*METHODS, *CONTROLS]) for data in names}
    for scores in every.values():
        present |= set(scores["method"])
    methods = [method for method in (*METHODS, *CONTROLS) if method in present and method != "constant"]
    groups = [label(method) for method in methods]
    for data, scores in every.items():
        matrices = by_case(scores, METRIC)
        values = {
            method: {
                label(method): Interval(
                    *bootstrap_interval(matrices[method], draw_resamples(*matrices[method].shape), *FACTS.limits)
                )
            }
            for method in methods
            if method in matrices
        }
        chance = float(scores.drop_duplicates("sample")[f"{METRIC}_chance"].mean())
        panels.append(Panel(TITLES[data], groups, values, chance))
    return draw_panels(panels, styles(methods), "Top-K Overlap", apart=False)
