"""6. Another metric, another encoder, beta = 0, more steps, another baseline?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from audit.answers.answer import Answer, Decisions, Finish, by_data
from audit.answers.ties import POSITION
from audit.drawing import Panel, draw_panels
from audit.ledger import LARGER, NOT_SHOWN, SMALLER, UNTESTED, Decision, Ledger, interval
from audit.study import (
    DATA,
    GRADCAM,
    IG,
    IN_A_SENTENCE,
    METRIC,
    METRICS,
    SALIENCY,
    TITLES,
    Study,
    by_case,
    label,
    of,
    paired,
    real_or_all,
    styles,
)
from xairank.names import count, in_words
from xairank.ranking.bootstrap import Interval, rate_interval
from xairank.ranking.wins import win_shares
from xairank.schema import MetricFacts

BASE = "the base"
REPEATED = "the base once more"
SWITCHED = {
    "base": BASE,
    "repeated": REPEATED,
    "reference_code": "all of the released code",
    "flips": "flips at evaluation",
    "normalize": "input not normalised",
    "mask_loss": "mask loss: squared error",
    "class_weights": "no class weights",
    "beta": "beta = 0, no mask loss",
    "encoder": "ResNet-18 from scratch",
}
IN_PLACE = {
    ("base", "ig_mean_color"): "baseline: mean colour",
    ("base", "ig_blurred"): "baseline: blurred image",
    ("steps", "ig_200_steps"): "200 steps",
}
# The intersection over union is left out: it orders maps as the overlap does.
OTHER_METRICS = {name: facts for name, facts in METRICS.items() if name != METRIC}


@dataclass(frozen=True)
class Choice:
    """What is chosen otherwise: scores of Grad-CAM and two others, and what decides.

    ``variant`` names integrated gradients computed otherwise by the same networks, with which Grad-CAM is compared.
    """

    words: str
    scores: pd.DataFrame
    metric: str = METRIC
    facts: MetricFacts = METRICS[METRIC]
    ties: str = "shared"
    variant: str = ""

    @property
    def other(self) -> str:
        """The better of the two others, or what was computed otherwise."""
        if self.variant:
            return self.variant
        sign = 1 if self.facts.higher_is_better else -1
        values = self.scores.groupby("method")[self.metric].mean().drop(GRADCAM)
        return str((sign * values).idxmax())

    @property
    def rate(self) -> Interval:
        """Grad-CAM's win rate."""
        better = self.facts.higher_is_better
        win = win_shares(self.scores, self.metric, higher_is_better=better, ties=self.ties)  # type: ignore[arg-type]
        return rate_interval(by_case(of(self.scores.assign(win=win), GRADCAM), "win")[GRADCAM])


def choices(study: Study, data: str) -> list[Choice]:
    """What was run on a data set."""
    found = []
    for switch, words in SWITCHED.items():
        if data in study.data(switch=switch):
            found.append(Choice(words, study.scores(data, switch)))
            if switch == "reference_code":
                found.append(Choice("and counted as it counts", study.scores(data, switch), POSITION, ties="first"))
    for (switch, variant), words in IN_PLACE.items():
        if data in study.data(switch=switch):
            scores = study.scores(data, switch, (GRADCAM, SALIENCY, variant))
            if variant in set(scores["method"]):
                found.append(Choice(words, scores, variant=variant))
    base = study.scores(data)
    known = [name for name in OTHER_METRICS if name in base and base[name].notna().all()]
    return found + [Choice(METRICS[name].label, base, name, METRICS[name]) for name in known]


def ask(study: Study, ledger: Ledger) -> Finish:
    """Compares Grad-CAM with the better of the others under each choice."""
    every = {data: choices(study, data) for data in study.data()}
    tests, gaining = {}, {}
    for data, some in every.items():
        for choice in some:
            if choice.words == BASE or choice.metric == POSITION:
                continue  # tested elsewhere, or the same maps
            tested = data in real_or_all(every) and choice.metric == METRIC
            sides = of(choice.scores, GRADCAM), of(choice.scores, choice.other)
            first, second = sides if choice.facts.higher_is_better else sides[::-1]
            what = f"{DATA[data]}, {choice.words}: Grad-CAM against {label(choice.other)}"
            tests[data, choice.words] = ledger.add(6, what, paired(first, second, choice.metric), tested=tested)
            if choice.variant:
                plain = of(study.scores(data, _switch_of(choice.variant), (IG,)), IG)
                what = f"{DATA[data]}: {label(choice.variant)}, against {label(IG)} as they are"
                margin = paired(of(choice.scores, choice.variant), plain)
                gaining[data, choice.words] = ledger.add(6, what, margin, tested=tested)

    def finish(decisions: Decisions) -> Answer:
        decided = {key: decisions[name] for key, name in tests.items()}
        gains = {key: decisions[name] for key, name in gaining.items()}
        rows = [_row(data, choice, decided) for data, some in every.items() for choice in some]
        real = real_or_all(every)
        counts = {
            verdict: [k for k, d in decided.items() if k[0] in real and d.verdict == verdict]
            for verdict in (LARGER, SMALLER)
        }
        total = len([key for key, one in decided.items() if key[0] in real and one.verdict != UNTESTED])
        against = [f"{IN_A_SENTENCE[data]}, {words}" for data, words in counts[SMALLER]]
        lowest = {data: min(_same_metric(every[data]), key=lambda choice: choice.rate.mean) for data in real}
        falls = [
            f"{interval(*choice.rate)} on {IN_A_SENTENCE[data]} ({choice.words})"
            for data, choice in lowest.items()
            if choice.words != BASE and choice.rate.mean < every[data][0].rate.low
        ]
        short = f"Grad-CAM's win rate falls as low as {in_words(falls)}. " if falls else ""
        short += (
            f"Of {total} other choices on real data, its lead over the better other is shown under "
            f"{len(counts[LARGER])}, and that it is behind under "
            f"{f'{len(against)} ({in_words(against)})' if 0 < len(against) <= 4 else len(against) or 'none'}."
        )
        return Answer(
            short,
            by_data(_sentence(data, every[data], decided, gains) for data in real),
            ("Data and choice", "Basis", "Grad-CAM's win rate", "Compared with", "Grad-CAM minus it"),
            rows,
            _figure(every),
            facts={
                "decided": decided,
                "gains": gains,
                "rates": {(d, c.words): c.rate for d, some in every.items() for c in some},
            },
        )

    return finish


def _switch_of(variant: str) -> str:
    return next(switch for switch, name in IN_PLACE if name == variant)


def _same_metric(some: Sequence[Choice]) -> list[Choice]:
    """Those that are compared by the overlap."""
    return [choice for choice in some if choice.metric in (METRIC, POSITION)]


def _row(data: str, choice: Choice, decided: Mapping[tuple[str, str], Decision]) -> list[str]:
    n_images, n_seeds = choice.scores["sample"].nunique(), choice.scores["seed"].nunique()
    decision = decided.get((data, choice.words))
    return [
        f"{DATA[data]}: {choice.words}",
        f"{n_images} images, {count(n_seeds, 'seed')}",
        interval(*choice.rate),
        label(choice.other),
        decision.cell if decision else "-",
    ]


def _sentence(
    data: str,
    some: list[Choice],
    decided: Mapping[tuple[str, str], Decision],
    gains: Mapping[tuple[str, str], Decision],
) -> str:
    same_metric = _same_metric(some)
    rates = [choice.rate.mean for choice in same_metric]
    low, high = min(rates), max(rates)
    lowest, highest = (same_metric[rates.index(value)].words for value in (low, high))
    own = {choice.words: decided[data, choice.words] for choice in some if (data, choice.words) in decided}
    behind = [f"{words} ({decision})" for words, decision in own.items() if decision.verdict == SMALLER]
    not_shown = [words for words, decision in own.items() if decision.verdict == NOT_SHOWN]
    between = f"Grad-CAM's win rate lies between {low:.2f} ({lowest}) and {high:.2f} ({highest})"
    clauses = [between if len(same_metric) > 1 else "nothing but the base was run"]
    if behind:
        clauses.append(f"it is behind with {in_words(behind)}")
    if not_shown:
        differences = [f"{words} ({own[words]})" for words in not_shown]
        clauses.append(f"no lead over the better other is shown with {in_words(differences)}")
    changed = [f"{words.partition(': ')[2] or words} ({one})" for (name, words), one in gains.items() if name == data]
    if changed:
        clauses.append(f"what is added to integrated gradients by {in_words(changed)}")
    metrics = [choice.words for choice in some if choice not in same_metric]
    best = [words for words in metrics if own[words].difference > 0]
    if metrics:
        others = [words for words in metrics if words not in best]
        but = f", not by {in_words(others)}" if others else ""
        clauses.append(f"it has the best mean by {len(best)} of {count(len(metrics), 'other metric')}{but}")
    return f"{DATA[data]}: {'; '.join(clauses)}."


def _figure(every: Mapping[str, list[Choice]]) -> Figure:
    groups = list(dict.fromkeys(choice.words for some in every.values() for choice in some))
    values = {data: {"gradcam": {c.words: c.rate for c in some}} for data, some in every.items()}
    panels = [Panel(TITLES[data], groups, own, 1 / 3) for data, own in values.items()]
    style = styles([GRADCAM])
    return draw_panels(panels, style, "Grad-CAM's win rate", apart=False)
