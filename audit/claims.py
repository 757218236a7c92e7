"""The paper's sentences, and what the answers leave of each."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from audit.answers.answer import Answer
from audit.ledger import LARGER, SMALLER, UNTESTED, interval
from audit.study import GRADCAM, IG, IN_A_SENTENCE, SALIENCY, label, over, said
from xairank.names import in_words

STANDS, SOMETIMES, FALLS, OPEN = "stands", "depends on the data", "does not stand", "cannot be decided"
CHOICE = "depends on a choice"
LOWEST = 0.79  # what the paper's sentence says of Grad-CAM's win rate


class Claim(NamedTuple):
    """A sentence of the paper.

    Attributes:
        sentence: As the paper has it.
        place: Its section.
        verdict: What is left of it.
        why: In words, with numbers.
    """

    sentence: str
    place: str
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


def _never_below(facts: Mapping[str, Mapping[str, Any]]) -> Claim:
    rates = facts["wins"]["rates"]
    holds = {d: True if r.low >= LOWEST else False if r.high < LOWEST else None for d, r in rates.items()}
    why = in_words([f"{interval(*rate)} on {IN_A_SENTENCE[data]}" for data, rate in rates.items()])
    return Claim(
        "Its win-rate is never below 79% and reaches up to 95%",
        "3.4",
        over_data(holds),
        f"The win rate is {why}.",
    )


def _dominates(facts: Mapping[str, Mapping[str, Any]]) -> Claim:
    decided = facts["wins"]["decided"]
    holds = {data: _both(decided, data) for data in facts["wins"]["real"]}
    ahead, not_ahead = ([d for d, value in holds.items() if (value is True) == wanted] for wanted in (True, False))
    why = f"Its overlap is shown to be larger than that of both others on {over(ahead)}"
    why += f", and not on {over(not_ahead)}." if not_ahead else "."
    return Claim("GC consistently dominates the comparison", "3.4", over_data(holds), why)


def _both(decided: Mapping[Any, Any], data: str) -> bool | None:
    verdicts = {decided[data, GRADCAM, other].verdict for other in (SALIENCY, IG)}
    return True if verdicts == {LARGER} else False if SMALLER in verdicts else None


def _worst(facts: Mapping[str, Mapping[str, Any]]) -> Claim:
    decided = facts["wins"]["decided"]
    shown = {data: decided[data, IG, SALIENCY] for data in facts["wins"]["real"]}
    holds = {data: {LARGER: True, SMALLER: False}.get(decision.verdict) for data, decision in shown.items()}
    why = in_words([f"{decision} on {IN_A_SENTENCE[data]}" for data, decision in shown.items()])
    return Claim(
        "IG ranks second, while SM consistently performs worst",
        "3.4",
        over_data(holds),
        f"{label(IG)} minus {said(SALIENCY)}: {why}.",
    )


def _noise(facts: Mapping[str, Mapping[str, Any]]) -> Claim:
    kept, real = facts["ladder"]["kept"], facts["ladder"]["real"]
    lost = [data for data in real if data not in kept]
    why = f"Blurred, the others no longer show a difference to Grad-CAM on {over(lost)}. " if lost else ""
    why += f"On {over(kept)} the lead stays with the others at their best blur." if kept else ""
    holds = {data: data not in kept for data in real}
    return Claim(
        "The inferior performance of SM and IG can be explained by noisy or fragmented maps",
        "3.4",
        over_data(holds),
        why,
    )


def _choices(facts: Mapping[str, Mapping[str, Any]]) -> Claim:
    decided = {key: one for key, one in facts["choices"]["decided"].items() if one.verdict != UNTESTED}
    counts = {v: sum(d.verdict == v for d in decided.values()) for v in (LARGER, SMALLER)}
    total = len(decided)
    verdict = STANDS if counts[LARGER] == total else CHOICE if counts[LARGER] else FALLS
    why = (
        f"Over {total} pairs of a data set and a choice, Grad-CAM's lead is shown in {counts[LARGER]}, the opposite in "
        f"{counts[SMALLER]}, neither in {total - sum(counts.values())}."
    )
    return Claim(
        "(implied) the comparison does not depend on choices that the paper does not discuss", "3.4", verdict, why
    )


def _faithful(facts: Mapping[str, Mapping[str, Any]]) -> Claim:
    shares = facts["reliance"]["shares"]
    why = in_words([f"{interval(*share)} ({IN_A_SENTENCE[data]})" for data, share in shares.items()])
    passed = facts.get("randomised", {}).get("passed", {})
    fails = [IN_A_SENTENCE[data] for data, methods in passed.items() if GRADCAM not in methods]
    text = (
        f"Overlap shows faithfulness only where the model relies on the defect, which it does on {why} of the images."
    )
    if passed:
        text += f" Grad-CAM passes randomisation{f' but on {in_words(fails)}' if fails else ''}."
    holds = {data: True if share.low > 0.9 else False if share.high < 0.5 else None for data, share in shares.items()}
    return Claim(
        "We adopt Top-K Overlap to evaluate the faithfulness of the explanations", "3.3", over_data(holds), text
    )


def _suitable(facts: Mapping[str, Mapping[str, Any]]) -> Claim:
    beaten, decided = facts["controls"]["beaten"], facts["wins"]["decided"]
    real = [data for data in facts["wins"]["real"] if data in beaten]
    holds = {d: True if _both(decided, d) and GRADCAM in beaten[d] else _both(decided, d) and None for d in real}
    without = [data for data in real if GRADCAM not in beaten[data]]
    why = "It is shown to be above both other methods, centre and edges "
    why += f"on {over([d for d in real if holds[d]])}."
    if without:
        why += f" On {over(without)} it is not shown to beat both controls."
    return Claim("GC emerges as the most suitable explanation method", "4.3", over_data(holds), why)


def _sixteen(facts: Mapping[str, Mapping[str, Any]]) -> Claim:
    at_16 = facts["repeats"]["at_16"]
    why = in_words([f"{value:.2f} ({IN_A_SENTENCE[data]})" for data, value in at_16.items()])
    return Claim(
        "Which method is best for one class of defects (four test images a class)",
        "3.4",
        OPEN,
        f"Even 16 images show differences of overlap of at least {why} only, 80 % of the time; four decide nothing.",
    )
