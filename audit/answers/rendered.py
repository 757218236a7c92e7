"""10. Is what holds on rendered data true on real data, and does a network trained on it do on the real ones?"""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import kendalltau

from audit.answers.answer import Answer, Decisions, Finish
from audit.ledger import Decision, Ledger, interval
from audit.study import (
    DATA,
    FACTS,
    GRADCAM,
    IG,
    IN_A_SENTENCE,
    METHODS,
    METRIC,
    SALIENCY,
    Study,
    best_other,
    by_case,
    label,
    of,
    paired,
    styles,
)
from xairank.figures.style import DOUBLE_COLUMN, RC, MethodStyle, new_figure
from xairank.names import count, in_words
from xairank.ranking.bootstrap import Interval, bootstrap_interval, draw_resamples, rate_interval
from xairank.schema import GOOD

REAL_NUTS, RENDERED = "hazelnut", ("rendered35", "rendered")
# Tests of other questions that are compared: by question, what stands behind the name of the data.
COMPARED_TESTS = (
    *(
        (1, f"{label(first)} against {label(second)}")
        for first, second in ((GRADCAM, SALIENCY), (GRADCAM, IG), (IG, SALIENCY))
    ),
    *((3, f"{label(GRADCAM)} against {control}") for control in ("centre", "edges", "model's own mask")),
)


def ask(study: Study, ledger: Ledger) -> Finish:
    """Compares what was decided on rendered and on real nuts, and tests the lead on networks that saw no real one."""
    transfers = [switch for data, switch in sorted(study.cells) if data == REAL_NUTS and switch.startswith("from_")]
    tests = {}
    for switch in transfers:
        scores = study.scores(REAL_NUTS, switch)
        if len(scores):
            other = best_other(scores)
            what = f"{DATA[REAL_NUTS]}, {trained_on(switch)}: Grad-CAM against {label(other)}"
            tests[switch] = ledger.add(10, what, paired(of(scores, GRADCAM), of(scores, other)))

    def finish(decisions: Decisions) -> Answer:
        decided = {switch: decisions[name] for switch, name in tests.items()}
        pairs = {data: _pairs(decisions, data) for data in RENDERED if (data, "base") in study.cells}
        same = {
            data: {what: real.verdict == rendered.verdict for what, (real, rendered) in own.items()}
            for data, own in pairs.items()
        }
        taus = {data: _tau(study, data) for data in same}
        recalls = {switch: recall(study, REAL_NUTS, switch) for switch in ("base", *transfers)}
        rows = _rows(study, same, taus, recalls, decided)
        agreed = [f"{sum(some.values())} of {len(some)} ({IN_A_SENTENCE[data]})" for data, some in same.items()]
        best = [f"{interval(*recalls[switch])} with networks {trained_on(switch)}" for switch in recalls]
        short = (
            f"Comparisons of methods with the verdict of the real hazelnuts: {in_words(agreed)}. The share of real "
            f"defects that is classified correctly is {in_words(best)}."
        )
        return Answer(
            short,
            _text(pairs, taus, decided),
            ("What", "Value"),
            rows,
            _figure(study, list(same)),
            facts={"same": same, "taus": taus, "recalls": recalls, "decided": decided},
        )

    return finish


def trained_on(switch: str) -> str:
    """What a network was trained on, in words."""
    return (
        "trained on the real ones" if switch == "base" else f"trained on {IN_A_SENTENCE[switch.removeprefix('from_')]}"
    )


def recall(study: Study, data: str, switch: str) -> Interval:
    """The share of the defects in test images that are classified correctly."""
    scores, missed = study.scores(data, switch), study.excluded(data, switch)
    keys = ["seed", "case", "sample"]
    right = scores[keys].drop_duplicates().assign(value=1.0)
    wrong = missed.loc[(missed["label"] != GOOD) & (missed["reason"] == "misclassified"), keys].assign(value=0.0)
    every = pd.concat([right, wrong], ignore_index=True).assign(method="")
    return rate_interval(by_case(every, "value")[""])


def _pairs(decisions: Decisions, data: str) -> dict[str, tuple[Decision, Decision]]:
    """What each test found on real nuts, and on rendered ones."""
    found = {}
    for question, what in COMPARED_TESTS:
        real, rendered = (decisions.get(f"{question}. {DATA[name]}: {what}") for name in (REAL_NUTS, data))
        if real and rendered:
            found[what] = real, rendered
    return found


def _overlaps(study: Study, data: str) -> dict[str, Interval]:
    matrices = by_case(study.scores(data, methods=list(METHODS)), METRIC)
    return {m: bootstrap_interval(v, draw_resamples(*v.shape), *FACTS.limits) for m, v in matrices.items()}


def _tau(study: Study, data: str) -> float:
    real, rendered = _overlaps(study, REAL_NUTS), _overlaps(study, data)
    common = [method for method in real if method in rendered]
    return float(kendalltau([real[m].mean for m in common], [rendered[m].mean for m in common]).statistic)


def _rows(
    study: Study,
    same: dict[str, dict[str, bool]],
    taus: dict[str, float],
    recalls: dict[str, Interval],
    decided: dict[str, Decision],
) -> list[list[str]]:
    rows = []
    for data, some in same.items():
        rows.append([f"{DATA[data]}: same verdict as on real nuts", f"{sum(some.values())} of {len(some)}"])
        rows.append([f"{DATA[data]}: Kendall's tau with real nuts", f"{taus[data]:.2f}"])
    for switch, value in recalls.items():
        seeds = count(study.scores(REAL_NUTS, switch)["seed"].nunique(), "seed")
        rows.append([f"Real nuts, {trained_on(switch)} ({seeds}): correct", interval(*value)])
    for switch, decision in decided.items():
        other = best_other(study.scores(REAL_NUTS, switch))
        rows.append([f"Real nuts, {trained_on(switch)}: Grad-CAM minus {label(other)}", decision.cell])
    return rows


def _text(
    pairs: dict[str, dict[str, tuple[Decision, Decision]]], taus: dict[str, float], decided: dict[str, Decision]
) -> str:
    sentences = []
    for data, some in pairs.items():
        other = [
            f"{what} (rendered: {rendered}; real: {real})"
            for what, (real, rendered) in some.items()
            if real.verdict != rendered.verdict
        ]
        clause = f"another verdict for {in_words(other)}" if other else "the same verdict for every comparison"
        sentences.append(
            f"{DATA[data]}, beside the real nuts: {clause}; Kendall's tau of the mean overlaps is {taus[data]:.2f}."
        )
    sentences += [
        f"On real nuts with a network {trained_on(switch)}, Grad-CAM minus the better other is {decision}."
        for switch, decision in decided.items()
    ]
    if not decided:
        sentences.append("No network that was trained on rendered nuts alone has been tried on real ones yet.")
    return " ".join(sentences)


def _figure(study: Study, rendered: list[str]) -> Figure:
    real = _overlaps(study, REAL_NUTS) if (REAL_NUTS, "base") in study.cells else {}
    with mpl.rc_context({**RC, "axes.grid.axis": "both"}):
        figure = new_figure(DOUBLE_COLUMN, 3.2)
        every = figure.subplots(1, max(len(rendered), 1), sharey=True, squeeze=False)[0]
        drawn = styles([method for method in METHODS if method in real])
        for axes, data in zip(every, rendered, strict=False):
            found = _overlaps(study, data)
            for method, style in drawn.items():
                if method in found:
                    _draw_point(axes, found[method], real[method], style)
            top = max([0.1, *(v.high for v in [*real.values(), *found.values()] if not np.isnan(v.high))])
            axes.plot([0, top], [0, top], color="0.7", linewidth=0.7, zorder=0)
            axes.set(title=DATA[data], xlabel="Top-K Overlap, rendered")
        every[0].set_ylabel("Top-K Overlap, real hazelnuts")
        handles, labels = every[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper")
    return figure


def _draw_point(axes: Axes, x: Interval, y: Interval, style: MethodStyle) -> None:
    axes.plot([x.low, x.high], [y.mean, y.mean], color=style.color, linewidth=0.7)
    axes.plot([x.mean, x.mean], [y.low, y.high], color=style.color, linewidth=0.7)
    axes.plot(x.mean, y.mean, color=style.color, marker=style.marker, linestyle="", markersize=5, label=style.label)
