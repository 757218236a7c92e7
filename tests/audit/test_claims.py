import re
from functools import cache

import pytest
from scipy.stats import wilcoxon

from audit.claims import _choices, _noise, _worst, judge
from audit.document import answer
from audit.grid import grid
from audit.ledger import LARGER, NOT_SHOWN, SMALLER, Decision
from audit.study import GRADCAM, IG, SALIENCY, Study
from audit.verdicts import CHOICE, FALLS, OPEN, PARTLY, SOMETIMES, STANDS, over_data
from tests.audit.made_results import LEVELS, make_results


def test_the_comparison_hangs_on_the_baseline_where_another_one_takes_the_lead_away():
    levels = {**LEVELS, "ig_blurred": 0.4}
    cells = [cell for cell in grid() if cell.key == "hazelnut/base"]
    answers, _ = answer(Study(make_results(levels, cells=cells)))
    (claim,) = [claim for claim in judge(answers) if "choice" in claim.sentence]
    assert (claim.own, claim.verdict) == (CHOICE, CHOICE)
    assert "blurred image on hazelnuts" in claim.why
    (claim,) = [claim for claim in judge(led_by_gradcam()) if "choice" in claim.sentence]
    assert claim.own == STANDS


def test_a_method_is_not_the_most_suitable_where_its_rival_was_not_run():
    levels = {**LEVELS, "lrp": 1.5}  # which the grid does not run on the tiles
    cells = [cell for cell in grid() if cell.key in ("hazelnut/base", "tiles/base")]
    answers, _ = answer(Study(make_results(levels, cells=cells)))
    (claim,) = [claim for claim in judge(answers) if "most suitable" in claim.sentence]
    assert (claim.own, claim.verdict) == (FALLS, FALLS)
    assert re.search(r"larger overlap: LRP on hazelnuts, by .* \(magnetic tiles had no LRP\)", claim.why)


@cache
def led_by_gradcam():
    cells = [cell for cell in grid() if cell.key == "hazelnut/base"]
    return answer(Study(make_results(cells=cells)))[0]


def facts_of_wins(*verdicts):
    """Facts of a data set from the verdicts on Grad-CAM against saliency, against IG, and IG against saliency."""
    pairs = ((GRADCAM, SALIENCY), (GRADCAM, IG), (IG, SALIENCY))
    found = zip(pairs, verdicts, strict=True)
    decided = {("hazelnut", *pair): decision(verdict) for pair, verdict in found}
    return {"wins": {"decided": decided, "real": ["hazelnut"], "accuracy": {"hazelnut": 0.8}}}


def decision(verdict, low=0.1):
    return Decision(0.2, low, 0.3, 0.01, 0.1, 35, 5, verdict)


def test_integrated_gradients_are_second_only_behind_grad_cam():
    assert _worst(facts_of_wins(LARGER, LARGER, LARGER)).own == STANDS
    assert _worst(facts_of_wins(LARGER, SMALLER, LARGER)).own == FALLS
    assert _worst(facts_of_wins(LARGER, NOT_SHOWN, LARGER)).own == OPEN


@pytest.mark.parametrize(
    ("gains", "low", "verdict"),
    [((LARGER, LARGER), -0.1, STANDS), ((LARGER, LARGER), 0.1, OPEN), ((LARGER, NOT_SHOWN), -0.1, OPEN)],
)
def test_noise_explains_only_what_blur_takes_away(gains, low, verdict):
    decided = {("hazelnut", other): decision(NOT_SHOWN, low) for other in (SALIENCY, IG)}
    decided |= {("hazelnut", other, "gain"): decision(gain) for other, gain in zip((SALIENCY, IG), gains, strict=True)}
    assert _noise({"ladder": {"decided": decided, "real": ["hazelnut"]}}).own == verdict


@pytest.mark.parametrize(
    ("verdicts", "gain", "verdict"),
    [
        ((LARGER, LARGER), LARGER, STANDS),
        ((LARGER, NOT_SHOWN), LARGER, CHOICE),
        ((LARGER, NOT_SHOWN), NOT_SHOWN, OPEN),
        ((SMALLER, LARGER), NOT_SHOWN, CHOICE),
    ],
)
def test_a_choice_counts_where_it_turns_the_comparison_or_takes_the_lead(verdicts, gain, verdict):
    words = [("hazelnut", "flips"), ("hazelnut", "baseline: black")]
    decided = {key: decision(one) for key, one in zip(words, verdicts, strict=True)}
    assert _choices({"choices": {"decided": decided, "gains": {words[1]: decision(gain)}}}).own == verdict


def test_four_images_decide_nothing_whatever_they_are():
    claim = next(claim for claim in judge(led_by_gradcam()) if "Table 4" in claim.sentence)
    assert f"p below {wilcoxon([0.9, 0.8, 0.7, 0.6]).pvalue:.3f}" in claim.why
    assert claim.own == OPEN


@pytest.mark.parametrize(
    ("holds", "verdict"),
    [
        ({"a": True, "b": True}, STANDS),
        ({"a": True, "b": False}, SOMETIMES),
        ({"a": True, "b": False, "c": None}, SOMETIMES),
        ({"a": True, "b": None, "c": None}, f"{PARTLY}: 1 of 3"),
        ({"a": None, "b": False}, FALLS),
        ({"a": None, "b": None}, OPEN),
    ],
)
def test_a_sentence_is_judged_over_the_data(holds, verdict):
    assert over_data(holds) == verdict
