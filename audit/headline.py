"""Whether the paper's conclusion holds on its own data: a few sentences for the audit's and the README's first page."""

import textwrap
from collections.abc import Mapping
from typing import Any, cast

from audit.answers.answer import Answer
from audit.answers.ladder import EDGES
from audit.answers.randomised import ALIKE, PASSES, RISES, STAYS
from audit.claims import leads_both
from audit.ledger import LARGER, Decision, interval
from audit.study import GRADCAM, IG, PAPER, SALIENCY, said
from audit.verdicts import PAPERS_DATA
from xairank.names import in_words


def headline(answers: Mapping[str, Answer]) -> str:
    """Whether the conclusion holds on the paper's own data, in a few sentences; empty without results on it."""
    facts = {name: answer.facts for name, answer in answers.items()}
    if not {"wins", "controls", "ladder"} <= set(facts) or PAPERS_DATA not in facts["wins"]["rates"]:  # type: ignore[operator]
        return ""
    wins, controls, ladder = (cast(Any, facts[name]) for name in ("wins", "controls", "ladder"))
    leads = leads_both(wins["decided"], PAPERS_DATA)
    first = "beats saliency and integrated gradients" if leads else "is not shown to lead both others"
    doubts = []
    left = {other: ladder["decided"][PAPERS_DATA, other] for other in (SALIENCY, IG)}
    if any(one.verdict != LARGER for one in left.values()):
        behind = {other: one for other, one in left.items() if one.verdict != LARGER}
        listed = " and ".join(_short(one) for one in behind.values())
        doubts.append(f"blurred {in_words([said(other) for other in behind])} are not shown to be behind ({listed})")
    blurred, edges = ladder["decided"][PAPERS_DATA, EDGES], controls["decided"][PAPERS_DATA, GRADCAM, EDGES]
    if blurred.verdict == LARGER:
        doubts.append(f"the image's edges, blurred, score above it by {_short(blurred)}")
    elif edges.verdict != LARGER:
        doubts.append(f"it is not shown to beat an edge detector that knows nothing of the network ({_short(edges)})")
    best = controls["best"][PAPERS_DATA]
    rival = controls["decided"].get((PAPERS_DATA, best, GRADCAM))
    if rival and rival.verdict == LARGER:
        check = _CHECKS.get(cast(Any, facts.get("randomised", {})).get("verdicts", {}).get((PAPERS_DATA, best)), "")
        number = len({*PAPER, *controls["candidates"][PAPERS_DATA]})
        doubts.append(f"{said(best)}, the best of {number} methods, scores above it by {_short(rival)}{check}")
    verdict = "Only in part." if leads and doubts else "It holds." if leads else "It is not shown to."
    rate = interval(*wins["rates"][PAPERS_DATA])
    n_images = wins["images"][PAPERS_DATA]
    but = f" But {'; '.join(doubts)}." if leads and doubts else ""
    return (
        f"**{verdict}** On {n_images} real hazelnuts of the paper's data set, Grad-CAM {first}: it wins {rate} of the "
        f"images.{but}"
    )


_CHECKS = {
    PASSES: " and passes the check by random weights",
    ALIKE: ", but its maps are alike without the trained weights",
    RISES: ", but more still without the trained weights",
    STAYS: ", but is not shown to lose without the trained weights",
}


def _short(decision: Decision) -> str:
    return interval(decision.difference, decision.low, decision.high)


def with_headline(readme: str, sentence: str) -> str:
    """The README's text with the sentence in its place, between two comments that readers do not see."""
    begin, end = "<!-- written by python -m audit.document -->", "<!-- until here -->"
    before, _, rest = readme.partition(begin)
    _, _, after = rest.partition(end)
    lines = textwrap.fill(sentence, 120, break_long_words=False, break_on_hyphens=False)
    return f"{before}{begin}\n{lines}{end}{after}"
