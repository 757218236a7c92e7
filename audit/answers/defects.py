"""5. Thin against large defects."""

from matplotlib.figure import Figure

from audit.answers.answer import Answer, Decisions, Finish, by_data
from audit.drawing import Panel, draw_panels
from audit.ledger import LARGER, NOT_SHOWN, SMALLER, Decision, Ledger, interval
from audit.study import (
    DATA,
    FACTS,
    GRADCAM,
    IN_A_SENTENCE,
    METRIC,
    PAPER,
    TITLES,
    Study,
    best_other,
    by_case,
    label,
    of,
    paired,
    real_or_all,
    styles,
)
from xairank.names import in_words
from xairank.ranking.bootstrap import Interval, bootstrap_interval, draw_resamples
from xairank.ranking.parts import PROPERTIES, SIZE, Part, cut_cases
from xairank.schema import THINNESS


def ask(study: Study, ledger: Ledger) -> Finish:
    """Compares Grad-CAM with the better of the two others in thirds of the defects, by size and by thinness."""
    parts: dict[str, list[Part]] = {}
    others, tests = {}, {}
    for data in study.data():
        tested = data in real_or_all(study.data())
        scores = study.scores(data)
        parts[data] = [part for part in cut_cases(scores) if part.kind in (SIZE, THINNESS)]
        for part in parts[data]:
            some = scores[scores["case"].isin(part.cases)]
            other = best_other(some)
            others[data, where(part)] = other
            what = f"{DATA[data]}, {where(part)}: Grad-CAM against {label(other)}"
            tests[data, where(part)] = ledger.add(5, what, paired(of(some, GRADCAM), of(some, other)), tested=tested)

    def finish(decisions: Decisions) -> Answer:
        decided = {key: decisions[name] for key, name in tests.items()}
        rows = []
        for data, some in parts.items():
            for part in some:
                values = _values(study, data, part)
                decision = decided[data, where(part)]
                versus = f"{decision.cell} ({label(others[data, where(part)])})"
                cells = [interval(*values[method]) for method in PAPER]
                rows.append([f"{DATA[data]}, {where(part)}", part.range, f"{len(part.cases)}", *cells, versus])
        real = real_or_all(parts)
        leads = {data: [p for p in parts[data] if decided[data, where(p)].verdict == LARGER] for data in real}
        number = sum(map(len, leads.values())), sum(len(parts[data]) for data in real)
        behind = [
            f"{part.name} defects (by {part.kind}) of {IN_A_SENTENCE[data]}"
            for data in real
            for part in parts[data]
            if decided[data, where(part)].verdict == SMALLER
        ]
        short = (
            f"Grad-CAM's lead over the better other is shown in {number[0]} of {number[1]} thirds of the real defects "
            "by size or thinness"
            f"{f'. It is shown to be behind on {in_words(behind)}' if behind else ''}."
        )
        return Answer(
            short,
            by_data(_sentence(data, parts[data], decided) for data in real),
            ("Defects", "Range", "Cases", *(label(method) for method in PAPER), "Grad-CAM minus the better other"),
            rows,
            _figure(study, parts),
            facts={"leads": leads, "number": number},
        )

    return finish


def where(part: Part) -> str:
    """A part in words, which tell thirds by size from thirds by thinness."""
    return f"{part.where} (by {part.kind})"


def _values(study: Study, data: str, part: Part) -> dict[str, Interval]:
    scores = study.scores(data)
    matrices = by_case(scores[scores["case"].isin(part.cases)], METRIC)
    return {
        method: bootstrap_interval(values, draw_resamples(*values.shape), *FACTS.limits)
        for method, values in matrices.items()
    }


def _figure(study: Study, parts: dict[str, list[Part]]) -> Figure:
    kinds = [(kind, name) for kind in (SIZE, THINNESS) for name in PROPERTIES[kind].parts]
    groups = [f"{'size' if kind == SIZE else 'thinness'}: {name}" for kind, name in kinds]
    panels = []
    for data, some in parts.items():
        values: dict[str, dict[str, Interval]] = {method: {} for method in PAPER}
        for part in some:
            for method, found in _values(study, data, part).items():
                values[method][groups[kinds.index((part.kind, part.name))]] = found
        panels.append(Panel(TITLES[data], groups, values))
    return draw_panels(panels, styles(PAPER), "Top-K Overlap")


def _sentence(data: str, parts: list[Part], decided: dict[tuple[str, str], Decision]) -> str:
    clauses = []
    for words, verdict in (("is ahead", LARGER), ("is behind", SMALLER)):
        found = [part for part in parts if decided[data, where(part)].verdict == verdict]
        if found:
            named = [f"{where(p)} ({decided[data, where(p)]})" for p in found]
            clauses.append(f"Grad-CAM {words} {in_words(named)}")
    seen = [decision.detectable for part in parts if (decision := decided[data, where(part)]).verdict == NOT_SHOWN]
    if seen:
        least = f"{min(seen):.2f} to {max(seen):.2f}" if max(seen) <= 1 else f"{min(seen):.2f} or more"
        clauses.append(
            f"in {len(seen)} of {len(parts)} thirds no difference to the better other is shown, where {least} would "
            "have been seen with 80 % probability"
        )
    return f"{DATA[data]}: {'; '.join(clauses)}." if clauses else f"{DATA[data]}: the defects do not differ."
