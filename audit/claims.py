"""The paper's sentences, and what the answers leave of each."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from audit.answers.answer import Answer
from audit.answers.controls import NOTHING_KNOWN
from audit.answers.randomised import ALIKE, RISES
from audit.ledger import LARGER, SMALLER, UNTESTED, Decision, interval
from audit.study import GRADCAM, IG, IN_A_SENTENCE, PAPER, REAL, SALIENCY, label, over, said
from xairank.names import in_words
from xairank.ranking.bootstrap import Interval

STANDS, SOMETIMES, FALLS, OPEN = "stands", "depends on the data", "does not stand", "cannot be decided"
CHOICE = "depends on a choice"
OWN = "hazelnut"  # the paper's own data
LOWEST = 0.79  # what the paper's sentence says of Grad-CAM's win rate


class Claim(NamedTuple):
    """A sentence of the paper.

    Attributes:
        sentence: As the paper has it.
        place: Its section.
        own: What is left of it on hazelnuts, the paper's data.
        verdict: What is left of it on all real data.
        why: In words, with numbers.
    """

    sentence: str
    place: str
    own: str
    verdict: str
    why: str


def judge(answers: Mapping[str, Answer]) -> list[Claim]:
    """The claims that the answers say something of, by name of their modules."""
    facts = {name: answer.facts for name, answer in answers.items()}
    makers = (_never_below, _dominates, _worst, _noise, _choices, _faithful, _suitable, _sixteen)
    needs = (
        ("wins",),
        ("wins",),
        ("wins",),
        ("ladder",),
        ("choices",),
        ("reliance",),
        ("wins", "controls"),
        ("repeats",),
    )
    return [make(facts) for make, names in zip(makers, needs, strict=True) if set(names) <= set(facts)]


def over_data(holds: Mapping[str, bool | None]) -> str:
    """The verdict from whether the sentence holds on each data set, None where neither it nor its opposite is shown.

    Example:
        >>> over_data({"a": True, "b": True}), over_data({"a": True, "b": None}), over_data({"a": False, "b": None})
        ('stands', 'depends on the data', 'does not stand')
    """
    values = set(holds.values())
    if values == {True}:
        return STANDS
    if True in values:
        return SOMETIMES
    return FALLS if False in values else OPEN


Facts = Mapping[str, Mapping[str, Any]]
Holds = Mapping[str, bool | None]


def _claim(sentence: str, place: str, holds: Holds, why: str) -> Claim:
    """A claim from whether it holds on each data set."""
    own = {data: value for data, value in holds.items() if data == OWN}
    return Claim(sentence, place, over_data(own) if own else "-", over_data(holds), why)


def _never_below(facts: Facts) -> Claim:
    rates = facts["wins"]["rates"]
    classes = facts["wins"]["classes"]
    holds = {data: _all_above([rate, *classes[data].values()], LOWEST) for data, rate in rates.items()}
    why = (
        f"The win rate is {in_words([f'{interval(*rate)} on {IN_A_SENTENCE[data]}' for data, rate in rates.items()])}."
    )
    if own := classes.get(OWN):
        worst, best = (pick(own, key=lambda name: own[name].mean) for pick in (min, max))
        listed = [f"{interval(*own[name])} ({name.replace('_', ' ')})" for name in (worst, best)]
        why += f" In single classes of {IN_A_SENTENCE[OWN]} it is {' to '.join(listed)}."
    sentence = "Its win-rate is never below 79% and reaches up to 95% [...] as well as for each individual defect class"
    return _claim(sentence, "3.4", holds, why)


def _all_above(rates: Sequence[Interval], least: float) -> bool | None:
    """Whether all are; None where that is not shown, and of none the opposite."""
    return True if min(r.low for r in rates) >= least else False if min(r.high for r in rates) < least else None


def _dominates(facts: Facts) -> Claim:
    decided = facts["wins"]["decided"]
    holds = {data: leads_both(decided, data) for data in facts["wins"]["real"]}
    ahead, not_ahead = ([d for d, value in holds.items() if (value is True) == wanted] for wanted in (True, False))
    why = f"Its overlap is shown to be larger than that of both others on {over(ahead)}"
    why += f", and not on {over(not_ahead)}." if not_ahead else "."
    return _claim("GC consistently dominates the comparison", "3.4", holds, why)


def leads_both(decided: Mapping[Any, Decision], data: str) -> bool | None:
    """Whether Grad-CAM has more than both others; None where neither that nor the opposite of one is shown."""
    verdicts = {decided[data, GRADCAM, other].verdict for other in (SALIENCY, IG)}
    return True if verdicts == {LARGER} else False if SMALLER in verdicts else None


def _worst(facts: Facts) -> Claim:
    decided = facts["wins"]["decided"]
    shown = {data: decided[data, IG, SALIENCY] for data in facts["wins"]["real"]}
    holds = {data: {LARGER: True, SMALLER: False}.get(decision.verdict) for data, decision in shown.items()}
    why = "; ".join(f"{IN_A_SENTENCE[data]} {decision}" for data, decision in shown.items())
    return _claim(
        "IG ranks second, while SM consistently performs worst",
        "3.4",
        holds,
        f"{label(IG)} minus {said(SALIENCY)}: {why}.",
    )


def _noise(facts: Facts) -> Claim:
    """Blur takes noise away: it must raise the others, and leave nothing that is shown of the lead."""
    decided, real = facts["ladder"]["decided"], facts["ladder"]["real"]
    holds, clauses = {}, []
    for data in real:
        leads = [decided[data, other] for other in (SALIENCY, IG)]
        raised = all(decided[data, other, "gain"].verdict == LARGER for other in (SALIENCY, IG))
        kept = any(lead.verdict == LARGER for lead in leads)
        holds[data] = False if kept else True if raised else None
        least = min(leads, key=lambda lead: lead.difference)
        clauses.append(f"{interval(least.difference, least.low, least.high)} on {IN_A_SENTENCE[data]}")
    raised_on = [data for data in real if holds[data]]
    why = f"Blurred, both others gain, and no lead of Grad-CAM is shown, on {over(raised_on)}. "
    why += f"What is left of its lead over the better of them is {in_words(clauses)}."
    sentence = "The inferior performance of SM and IG [comes from] noisy or fragmented [maps]"
    return _claim(sentence, "3.4", holds, why)


def _choices(facts: Facts) -> Claim:
    decided = {key: one for key, one in facts["choices"]["decided"].items() if one.verdict != UNTESTED}
    own = {key: one for key, one in decided.items() if key[0] == OWN}
    counts = {verdict: sum(one.verdict == verdict for one in decided.values()) for verdict in (LARGER, SMALLER)}
    why = (
        f"Of {len(decided)} pairs of a data set and a choice, Grad-CAM's lead is shown in {counts[LARGER]}, the "
        f"opposite in {counts[SMALLER]}, neither in {len(decided) - sum(counts.values())}."
    )
    sentence = "(not said) The comparison does not hang on the released code's or other choices"
    return Claim(sentence, "-", _over_choices(own), _over_choices(decided), why)


def _over_choices(decided: Mapping[Any, Decision]) -> str:
    verdicts = [one.verdict for one in decided.values()]
    if not verdicts:
        return "-"
    return STANDS if set(verdicts) == {LARGER} else CHOICE if LARGER in verdicts or SMALLER in verdicts else OPEN


def _faithful(facts: Facts) -> Claim:
    """Overlap is no evidence of it where a network with random weights has more, or the defect does not count."""
    shares = facts["reliance"]["shares"]
    randomised = facts.get("randomised", {"passed": {}, "verdicts": {}})
    passed, verdicts = randomised["passed"], randomised["verdicts"]
    real = [data for data in shares if data in REAL] or list(shares)
    rises = {data: [method for method in PAPER if verdicts.get((data, method)) == RISES] for data in real}
    holds = {}
    for data in real:
        stands = set(passed.get(data, ())) == set(PAPER) and shares[data].low >= 0.5
        holds[data] = False if rises[data] or shares[data].high < 0.5 else True if stands else None
    why = in_words([f"{interval(*shares[data])} of the {IN_A_SENTENCE[data]}" for data in real])
    text = f"The model relies on the defect in {why}. "
    clauses = [
        f"{in_words([said(method) for method in own]) or 'none'} on {IN_A_SENTENCE[d]}" for d, own in passed.items()
    ]
    text += f"Of the three, the check by random weights is passed by {', and by '.join(clauses)}." if clauses else ""
    higher = [f"{in_words([said(method) for method in own])} on {IN_A_SENTENCE[d]}" for d, own in rises.items() if own]
    text += (
        f" With random weights the overlap is shown to be higher than with trained ones: {in_words(higher)}."
        if higher
        else ""
    )
    return _claim("We adopt Top-K Overlap to evaluate the faithfulness of the explanation methods", "3.3", holds, text)


def _suitable(facts: Facts) -> Claim:
    beaten, best = facts["controls"]["beaten"], facts["controls"]["best"]
    real = [data for data in facts["wins"]["real"] if data in beaten]
    verdicts = facts.get("randomised", {}).get("verdicts", {})
    failing = {key for key, verdict in verdicts.items() if verdict in (ALIKE, RISES)}  # no better for a higher overlap
    rivals = {data: facts["controls"]["decided"].get((data, best[data], GRADCAM)) for data in real}
    better = [
        data for data in real if rivals[data] and rivals[data].verdict == LARGER and (data, best[data]) not in failing
    ]
    holds = {data: False if data in better else _leads_controls(facts, data) for data in real}
    shown = [data for data in real if holds[data]]
    why = f"Shown to be above both others, centre and edges, and behind no candidate, on {over(shown)}."
    without = [data for data in real if GRADCAM not in beaten[data]]
    why += f" Not shown to beat centre and edges on {over(without)}." if without else ""
    others = [f"{said(best[data])} on {IN_A_SENTENCE[data]}" for data in better]
    why += f" Another method is shown to have a larger overlap: {in_words(others)}." if others else ""
    return _claim("GC emerges as the most suitable explanation method", "4.3", holds, why)


def _leads_controls(facts: Facts, data: str) -> bool | None:
    """Whether Grad-CAM is above both others, centre and edges; None where that is not shown."""
    controls = facts["controls"]["decided"]
    beats = all(controls[data, GRADCAM, control].verdict == LARGER for control in NOTHING_KNOWN)
    leads = leads_both(facts["wins"]["decided"], data)
    return False if leads is False else True if leads and beats else None


def _sixteen(facts: Facts) -> Claim:
    at_16 = facts["repeats"]["at_16"]
    why = in_words([f"{value:.2f} ({IN_A_SENTENCE[data]})" for data, value in at_16.items()])
    return Claim(
        "[Table 4: which method is best in] each individual defect class [from four test images of it]",
        "3.4",
        OPEN,
        OPEN,
        f"Even 16 images miss differences of overlap below {why} more often than once in five times.",
    )
