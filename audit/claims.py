"""The paper's sentences, and what the answers leave of each."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from audit.answers.answer import Answer
from audit.answers.controls import NOTHING_KNOWN
from audit.answers.randomised import ALIKE, RISES
from audit.ledger import LARGER, SMALLER, UNTESTED, Decision, interval
from audit.study import GRADCAM, IG, IN_A_SENTENCE, PAPER, REAL, SALIENCY, label, over, said
from audit.verdicts import CHOICE, FALLS, OPEN, PAPERS_DATA, SOMETIMES, Claim, claim, place_of
from xairank.names import in_words
from xairank.ranking.bootstrap import Interval
from xairank.tables.published import published_metrics

Facts = Mapping[str, Mapping[str, Any]]
IMAGES_OF_A_CLASS = 4  # test images of a class in the paper
LOWEST = 0.79  # what the paper's sentence says of Grad-CAM's win rate


def judge(answers: Mapping[str, Answer]) -> list[Claim]:
    """The claims that the answers say something of, by name of their modules; what stands first."""
    facts = {name: answer.facts for name, answer in answers.items()}
    makers: dict[Callable[[Facts], Claim], set[str]] = {
        _dominates: {"wins"},
        _worst: {"wins"},
        _noise: {"ladder"},
        _never_below: {"wins"},
        _choices: {"choices"},
        _faithful: {"reliance"},
        _suitable: {"wins", "controls"},
        _classes: {"repeats"},
    }
    judged = [make(facts) for make, names in makers.items() if names <= set(facts)]
    return sorted(judged, key=lambda one: [place_of(one.own), place_of(one.verdict)])


def _never_below(facts: Facts) -> Claim:
    rates = facts["wins"]["rates"]
    classes = facts["wins"]["classes"]
    holds = {data: _all_above([rate, *classes[data].values()], LOWEST) for data, rate in rates.items()}
    listed = [f"{interval(*rate)} on {IN_A_SENTENCE[data]}" for data, rate in rates.items()]
    why = f"By intervals that are not corrected: the win rate is {in_words(listed)}."
    if own := classes.get(PAPERS_DATA):
        worst, best = (pick(own, key=lambda name: own[name].mean) for pick in (min, max))
        listed = [f"{interval(*own[name])} ({name.replace('_', ' ')})" for name in (worst, best)]
        why += f" In single classes of {IN_A_SENTENCE[PAPERS_DATA]} it is {' to '.join(listed)}."
    sentence = "Its win-rate is never below 79% and reaches up to 95% [...] as well as for each individual defect class"
    return claim(sentence, "3.4", holds, why)


def _all_above(rates: Sequence[Interval], least: float) -> bool | None:
    """Whether all are; None where that is not shown, and of none the opposite."""
    return True if min(r.low for r in rates) >= least else False if min(r.high for r in rates) < least else None


def _dominates(facts: Facts) -> Claim:
    decided = facts["wins"]["decided"]
    holds = {data: leads_both(decided, data) for data in facts["wins"]["real"]}
    ahead, not_ahead = ([d for d, value in holds.items() if (value is True) == wanted] for wanted in (True, False))
    why = f"Its overlap is shown to be larger than that of both others on {over(ahead)}"
    why += f", and not on {over(not_ahead)}." if not_ahead else "."
    listed = in_words([f"{value:.2f} ({IN_A_SENTENCE[data]})" for data, value in facts["wins"]["accuracy"].items()])
    why += f" The condition: balanced accuracy on test images is {listed}; the paper's is "
    why += f"{published_accuracy():.2f}."
    sentence = (
        "Under the condition that the classification model achieves strong predictive performance, GC consistently "
        "dominates the comparison"
    )
    return claim(sentence, "3.4", holds, why)


def published_accuracy() -> float:
    """The paper's balanced accuracy on test images after the last epoch, over its seeds."""
    return float(published_metrics().groupby("seed")["test_balanced_accuracy"].last().mean())


def leads_both(decided: Mapping[Any, Decision], data: str) -> bool | None:
    """Whether Grad-CAM has more than both others; None where neither that nor the opposite of one is shown."""
    verdicts = {decided[data, GRADCAM, other].verdict for other in (SALIENCY, IG)}
    return True if verdicts == {LARGER} else False if SMALLER in verdicts else None


def _worst(facts: Facts) -> Claim:
    decided = facts["wins"]["decided"]
    shown = {data: decided[data, IG, SALIENCY] for data in facts["wins"]["real"]}
    holds = {data: _in_this_order(decided, data) for data in shown}
    listed = [
        f"{IN_A_SENTENCE[data]} {_estimate(decision)}, n = {decision.n_cases}" for data, decision in shown.items()
    ]
    return claim(
        "IG ranks second, while SM consistently performs worst",
        "3.4",
        holds,
        f"{label(IG)} minus {said(SALIENCY)}:<br>{';<br>'.join(listed)}.",
    )


def _in_this_order(decided: Mapping[Any, Decision], data: str) -> bool | None:
    """Whether Grad-CAM is shown to be above integrated gradients, and these above saliency."""
    verdicts = [decided[data, first, second].verdict for first, second in ((GRADCAM, IG), (IG, SALIENCY))]
    return True if set(verdicts) == {LARGER} else False if SMALLER in verdicts else None


def _noise(facts: Facts) -> Claim:
    """Blur takes noise away: it must raise both others, and leave no lead that an interval shows."""
    decided, real = facts["ladder"]["decided"], facts["ladder"]["real"]
    holds, clauses = {}, []
    for data in real:
        gains = [decided[data, other, "gain"] for other in (SALIENCY, IG)]
        verdicts = {gain.verdict for gain in gains}
        explained = all(decided[data, other].low <= 0 for other in (SALIENCY, IG))
        holds[data] = True if verdicts == {LARGER} and explained else None
        pairs = zip((SALIENCY, IG), gains, strict=True)
        listed = [
            f"{said(other)} {_estimate(gain)}, and the lead is then {_estimate(decided[data, other])}"
            for other, gain in pairs
        ]
        clauses.append(f"on {IN_A_SENTENCE[data]} {in_words(listed)}")
    why = (
        f"It stands where both others gain by blur, and no interval of what is left of Grad-CAM's lead is above 0. By "
        f"the blur that is best on these images:<br>{';<br>'.join(clauses)}."
    )
    sentence = "The inferior performance of SM and IG [comes from] noisy or fragmented [maps]"
    return claim(sentence, "3.4", holds, why)


def _estimate(decision: Decision) -> str:
    """A difference with its interval and what the test shows of it."""
    values = interval(decision.difference, decision.low, decision.high)
    return values if decision.verdict in (LARGER, SMALLER) else f"{values} (not shown)"


def _choices(facts: Facts) -> Claim:
    """It hangs on a choice that is shown to turn it round, or to raise integrated gradients up to Grad-CAM."""
    tests = {key: one for key, one in facts["choices"]["decided"].items() if one.verdict != UNTESTED}
    gains = {key: one for key, one in facts["choices"]["gains"].items() if key in tests}
    lost = {key: one for key, one in gains.items() if one.verdict == LARGER and tests[key].verdict != LARGER}
    holds = {
        data: False if SMALLER in own or [k for k in lost if k[0] == data] else True if set(own) == {LARGER} else None
        for data in dict.fromkeys(data for data, _ in tests)
        if (own := [one.verdict for (name, _), one in tests.items() if name == data])
    }
    counts = {data: [one.verdict == LARGER for (name, _), one in tests.items() if name == data] for data in holds}
    shares = [f"{sum(own)} of {len(own)} on {IN_A_SENTENCE[data]}" for data, own in counts.items()]
    why = f"Choices under which a lead is shown: {in_words(shares)}."
    listed = [
        f"{words.partition(': ')[2] or words} on {IN_A_SENTENCE[data]}, {_estimate(one)} (Grad-CAM minus it is then "
        f"{_estimate(tests[data, words])})"
        for (data, words), one in lost.items()
    ]
    why += f" What another baseline adds to integrated gradients: {'; '.join(listed)}." if listed else ""
    sentence = "(not said, asked here) It is the same under other choices, such as the baseline"
    found = claim(sentence, "-", holds, why)
    return found._replace(
        own=CHOICE if found.own == FALLS else found.own,
        verdict=CHOICE if found.verdict in (FALLS, SOMETIMES) else found.verdict,
    )


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
    why = in_words([f"{interval(*shares[data])} on {IN_A_SENTENCE[data]}" for data in real])
    text = f"The share of correctly classified defects that the model relies on is {why}. "
    clauses = [
        f"{in_words([said(method) for method in own]) or 'none'} on {IN_A_SENTENCE[d]}" for d, own in passed.items()
    ]
    text += f"Of the three, those that pass the check by random weights: {'; '.join(clauses)}." if clauses else ""
    unchecked = [data for data in real if data not in passed]
    text += f" It was not run on {over(unchecked)}." if clauses and unchecked else ""
    higher = [f"{in_words([said(method) for method in own])} on {IN_A_SENTENCE[d]}" for d, own in rises.items() if own]
    text += f" Shown to overlap more with random weights than with trained ones: {in_words(higher)}." if higher else ""
    return claim("[Top-K Overlap evaluates] the faithfulness of the explanation methods", "3.3", holds, text)


def _suitable(facts: Facts) -> Claim:
    """Behind no candidate, also none of those that are better elsewhere, and above both others, centre and edges."""
    controls = facts["controls"]
    beaten, best, candidates = controls["beaten"], controls["best"], controls["candidates"]
    real = [data for data in facts["wins"]["real"] if data in beaten]
    verdicts = facts.get("randomised", {}).get("verdicts", {})
    failing = {key for key, verdict in verdicts.items() if verdict in (ALIKE, RISES)}  # no better for a higher overlap
    rivals = {data: controls["decided"].get((data, best[data], GRADCAM)) for data in real}
    better = [
        data for data in real if rivals[data] and rivals[data].verdict == LARGER and (data, best[data]) not in failing
    ]
    unknown = {data: sorted({best[other] for other in better} - {*candidates[data], *PAPER}) for data in real}
    holds = {
        data: False if data in better else None if unknown[data] else _leads_controls(facts, data) for data in real
    }
    above = [data for data in real if _leads_controls(facts, data)]
    why = f"Shown to be above both others, centre and edges on {over(above)}."
    without = [data for data in real if GRADCAM not in beaten[data]]
    why += f" Not shown to beat both centre and edges on {over(without)}." if without else ""
    others = [f"{said(best[data])} on {IN_A_SENTENCE[data]}, by {_estimate(rivals[data])}" for data in better]
    why += f" Another method is shown to have a larger overlap: {in_words(others)}" if others else ""
    missing = [
        f"{over([data])} had no {in_words([said(m) for m in names])}" for data, names in unknown.items() if names
    ]
    why += f" ({in_words(missing)})." if missing else "." if others else ""
    counts = in_words([f"{len(candidates[data])} ({IN_A_SENTENCE[data]})" for data in real])
    why += f" Candidates beside the three, of which the best was chosen on these images: {counts}."
    return claim("GC emerges as the most suitable explanation method", "4.3", holds, why)


def _leads_controls(facts: Facts, data: str) -> bool | None:
    """Whether Grad-CAM is above both others, centre and edges; None where that is not shown."""
    controls = facts["controls"]["decided"]
    beats = all(controls[data, GRADCAM, control].verdict == LARGER for control in NOTHING_KNOWN)
    leads = leads_both(facts["wins"]["decided"], data)
    return False if leads is False else True if leads and beats else None


def _classes(_: Facts) -> Claim:
    """Four images cannot show anything, whatever they are."""
    least = 2 / 2**IMAGES_OF_A_CLASS  # of Wilcoxon's signed-rank test: all four differences of one sign
    why = f"No difference between methods on {IMAGES_OF_A_CLASS} images has a Wilcoxon's p below {least:.3f}."
    return Claim("(Table 4) Which method is best in a class, from its four test images", "3.4", OPEN, OPEN, why)
