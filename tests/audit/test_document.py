import re
from dataclasses import replace
from functools import cache

import pandas as pd
import pytest

from audit.answers.repeats import Spread
from audit.answers.ties import LOST, NOTHING, OUTRIGHT, TIED, outcomes_of
from audit.claims import judge
from audit.collect import add_runs
from audit.document import DOCS, README, answer, list_tests, render, write_document
from audit.grid import grid
from audit.headline import headline, with_headline
from audit.picture import draw_headline
from audit.repeated import compare
from audit.study import GRADCAM, Study, by_case, paired
from audit.verdicts import FALLS, OPEN, STANDS
from tests.audit.made_results import LEVELS, make_results
from xairank.figures.style import save

LED_BY_IG = {**LEVELS, "gradcam": -1.0, "integrated_gradients": 0.3}
EQUAL = {**LEVELS, "gradcam": -1.0, "saliency": -1.0}


@cache
def answered(led_by="gradcam"):
    levels = {"gradcam": LEVELS, "ig": LED_BY_IG, "nobody": EQUAL}[led_by]
    cells = [cell for cell in grid() if cell.key in ("hazelnut/base", "hazelnut/randomised", "hazelnut/randomised_lrp")]
    study = Study(make_results(levels, cells=cells))
    return study, *answer(study)


def verdicts(led_by):
    return {claim.sentence.partition(" ")[0]: (claim.own, claim.verdict) for claim in judge(answered(led_by)[1])}


def of_grad_cam(led_by):
    """The verdict on the paper's main sentence."""
    (claim,) = [claim for claim in judge(answered(led_by)[1]) if "GC consistently dominates" in claim.sentence]
    return claim.verdict


def test_a_lead_that_is_there_is_found_and_the_sentences_stand():
    found = verdicts("gradcam")
    assert found["IG"] == (STANDS, STANDS)
    assert found["Its"] == (OPEN, OPEN)  # eight images of a class do not show 79 %
    assert of_grad_cam("gradcam") == STANDS
    assert headline(answered()[1]).startswith("**It holds.** On 35 real hazelnuts")
    _, answers, _ = answered()
    assert answers["wins"].short.endswith("both others on hazelnuts.")
    assert "Grad-CAM's lead over the better other is shown in 6 of 6 thirds" in answers["defects"].short
    assert "LRP loses" in answers["randomised"].text
    assert "guided backpropagation keeps its maps" in answers["randomised"].text


def test_a_lead_of_another_method_is_found_and_the_sentences_fall():
    found = verdicts("ig")
    assert found["Its"] == found["GC"] == (FALLS, FALLS)
    assert headline(answered("ig")[1]).startswith("**It is not shown to.**")
    assert of_grad_cam("ig") == FALLS
    assert "integrated gradients 0.9" in answered("ig")[1]["wins"].text
    assert "smaller than that of integrated gradients" in answered("ig")[1]["wins"].text


def test_where_nobody_leads_nothing_is_decided_and_what_would_have_been_seen_is_said():
    _, answers, decisions = answered("nobody")
    assert of_grad_cam("nobody") == OPEN
    assert "not shown to differ from that of saliency" in answers["wins"].text
    assert re.search(r"not shown to differ from .* would have been seen with 80 % probability", answers["wins"].text)
    assert not [name for name, one in decisions.items() if "Grad-CAM against Saliency" in name and one.p < 0.05]


def test_the_headline_has_the_difference_of_each_method():
    (sentence,) = re.findall(r"LRP, .*? scores above it by ([\d.]+) ", headline(answer(led_by_lrp())[0]))
    study = led_by_lrp()
    scores = study.scores("hazelnut", methods=["gradcam", "lrp"])
    means = scores.groupby(["method", "seed"])["topk_overlap"].mean().groupby("method").mean()
    assert float(sentence) == pytest.approx(means["lrp"] - means["gradcam"], abs=0.01)


@cache
def led_by_lrp():
    cells = [cell for cell in grid() if cell.key == "hazelnut/base"]
    return Study(make_results({**LEVELS, "lrp": 1.5}, cells=cells))


def test_ties_are_told_apart():
    scores = pd.DataFrame(
        [
            (1, sample, method, overlap)
            for sample, overlaps in {
                "outright": (0.5, 0.2, 0.1),
                "tied": (0.5, 0.5, 0.1),
                "nothing": (0.0, 0.0, 0.0),
                "lost": (0.1, 0.2, 0.1),
            }.items()
            for method, overlap in zip(("gradcam", "saliency", "integrated_gradients"), overlaps, strict=True)
        ],
        columns=["seed", "sample", "method", "topk_overlap"],
    )
    assert outcomes_of(scores) == {OUTRIGHT: 0.25, TIED: 0.25, NOTHING: 0.25, LOST: 0.25}


def test_cases_needed_are_those_of_students_test_with_the_efficiency_of_wilcoxons():
    spread = Spread("saliency", 0.1, 0.2, 35)
    # G*Power, two-sided, 5 %, 80 %, effect 0.5, normal approximation: 31.4 cases; pi / 3 times as many by Wilcoxon.
    assert spread.needed(0.1) == pytest.approx(31.4 * 3.14159 / 3, rel=0.002)
    assert spread.detectable(spread.needed(0.1)) == pytest.approx(0.1)


def test_of_two_seeds_the_cases_alone_count():
    rows = [(seed, case, case, "a", value) for seed, case, value in [(1, "x", 0.2), (2, "x", 0.4), (1, "y", 1.0)]]
    scores = pd.DataFrame(rows, columns=["seed", "case", "sample", "method", "score"])
    assert by_case(scores, "score")["a"].tolist() == [[pytest.approx(0.3), 1.0]]


def test_a_pair_is_compared_on_what_both_have():
    first = pd.DataFrame(
        {"seed": [1, 1, 2], "case": ["x", "y", "x"], "sample": ["x", "y", "x"], "topk_overlap": [0.5, 0.9, 0.7]}
    )
    margin = paired(first, first[first["case"] == "x"].assign(topk_overlap=0.1))
    assert margin.by_case.tolist() == [pytest.approx(0.5)]


def test_the_document_says_how_many_tests_it_has_and_lists_them(tmp_path):
    study, answers, decisions = answered()
    text = render(study, answers, decisions)
    (number,) = re.findall(r"all (\d+) tests of this page", text)
    listed = [line for line in list_tests(decisions).splitlines() if re.match(r"\| \d+\. ", line)]
    tested = [line for line in listed if not line.endswith("| not tested |")]
    assert len(listed) == len(decisions)
    assert len(tested) == int(number)
    assert "{{" not in text
    assert "nan" not in text
    for name in answers:
        assert f"(images/audit/{name}.svg)" in text


def test_the_same_results_give_the_same_document(tmp_path):
    cells = [replace(cell, seeds=cell.seeds[:1]) for cell in grid() if cell.key == "hazelnut/base"]
    write_document(Study(make_results(cells=cells)), tmp_path)
    study = Study(make_results(cells=cells))
    answers, decisions = answer(study)
    assert (tmp_path / "audit.md").read_text(encoding="utf-8") == render(study, answers, decisions)
    figures = sorted(path.stem for path in (tmp_path / "images" / "audit").iterdir())
    assert figures == sorted([*answers, "headline"])
    assert len(answers) == 8  # no randomised run, and no rendered data
    save(answers["wins"].figure, tmp_path / "again", ["svg"])
    assert (tmp_path / "again.svg").read_bytes() == (tmp_path / "images" / "audit" / "wins.svg").read_bytes()


def test_the_picture_shows_the_means_of_the_table_as_they_are_and_blurred():
    study, answers, _ = answered()
    axes = draw_headline(study).axes[0]
    rows = [text.get_text() for text in axes.get_yticklabels()]
    shown = {rows[round(line.get_ydata()[0])]: line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 1}
    scores = study.scores("hazelnut", methods=["gradcam", "saliency", "edges"])
    expected = scores.groupby(["method", "seed"])["topk_overlap"].mean().groupby("method").mean()
    assert shown["Grad-CAM"] == pytest.approx(expected["gradcam"])
    assert shown["Edges"] == pytest.approx(expected["edges"])
    blurred = study.variants("ladder", "hazelnut", "base", ["saliency"])
    best = float(answers["ladder"].facts["chosen"]["hazelnut", "saliency"])
    blurred = blurred[(blurred["variant"] == "blur") & (blurred["level"] == best)]
    expected["blurred"] = blurred.groupby("seed")["topk_overlap"].mean().mean()
    assert shown["Saliency, blurred"] == pytest.approx(expected["blurred" if best else "saliency"])


def test_the_readme_has_the_headline_of_the_document():
    readme = README.read_text(encoding="utf-8")
    (sentence,) = re.findall(
        r"^\*\*.*On 35 real hazelnuts.*$", (DOCS / "audit.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert with_headline(readme, sentence) == readme
    assert with_headline(readme, "It holds.") == with_headline(with_headline(readme, "No."), "It holds.") != readme


def test_a_run_that_is_repeated_is_compared_with_the_results():
    cells = [cell for cell in grid() if cell.key == "hazelnut/base"]
    known = make_results(cells=cells)
    again = {name: table[(table["seed"] == 42) & (table["fold"] == 0)].copy() for name, table in known.items()}
    place = again["scores"].index[(again["scores"]["method"] == GRADCAM)][0]
    again["scores"].loc[place, "topk_overlap"] += 0.25
    rows = compare(again, known).set_index("method")
    assert set(rows["seed"]) == {42}
    assert rows.loc[GRADCAM, "largest"] == pytest.approx(0.25)
    assert rows.loc["saliency", "largest"] == 0
    assert (rows["only"] == 0).all()


def test_runs_are_added_to_those_that_are_gathered_already():
    cells = [cell for cell in grid() if cell.key in ("hazelnut/base", "hazelnut/flips")]
    whole = make_results(cells=cells)
    known = {name: table[table["switch"] == "base"] for name, table in whole.items()}
    changed = {name: table.copy() for name, table in whole.items() if name != "ladder"}
    changed["scores"]["topk_overlap"] = 0.5  # of runs that are known and stay as they are, and of new ones
    joined = add_runs(known, changed)
    assert len(joined["runs"]) == len(whole["runs"])
    is_base = joined["scores"]["switch"] == "base"
    assert is_base.sum() == len(known["scores"])
    assert (joined["scores"].loc[is_base, "topk_overlap"] != 0.5).all()
    assert (joined["scores"].loc[~is_base, "topk_overlap"] == 0.5).all()
    assert len(joined["ladder"]) == len(known["ladder"])
