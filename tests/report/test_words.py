"""What the first screen says, over seven made-up studies, against statistics.csv and plain means."""

import re

import pandas as pd
import pytest

from tests.report.studies import STUDIES
from xairank.schema import TEST
from xairank.tables.collection import make_results
from xairank.tables.words import CAUTION, SUPPORT, UNKNOWN

LABELS = {"gradcam": "Grad-CAM", "saliency": "Saliency", "integrated_gradients": "Integrated gradients"}
NAMES = "|".join(LABELS.values())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """By study: its test answer, and its statistics.csv as a reader has it."""
    found = {}

    def make(name):
        if name not in found:
            sweep = STUDIES[name](tmp_path_factory.mktemp("multirun") / name.replace(" ", "_"))
            results = make_results(sweep)
            for table in results.tables:
                table.write(sweep.folder / "tables")
            statistics = pd.read_csv(sweep.folder / "tables" / "statistics.csv")
            (answer,) = [answer for answer in results.answers if answer.split == TEST]
            found[name] = answer, statistics[statistics["split"] == TEST], results, sweep
        return found[name]

    return make


def ranked_above(headline):
    """Pairs of which the sentence says that the one ranks above the other, and has no doubt of it."""
    said = re.match(rf"({NAMES}) ranks above ((?:{NAMES}|, | and )+?)(?:,? (?:but|and it|and is)|, |\.)", headline)
    return {(said[1], other) for other in re.findall(NAMES, said[2])} if said else set()


@pytest.mark.parametrize("name", STUDIES)
def test_the_headline_says_no_more_and_no_less_of_the_leader_than_statistics_csv(made, name):
    answer, statistics, *_ = made(name)
    first = statistics["method"].iloc[0]
    shown = statistics[(statistics["verdict"] == "differ") & (statistics["method"] == first)]
    pairs = {(LABELS[row.method], LABELS[row.other]) for row in shown.itertuples()}
    assert ranked_above(answer.headline) == pairs, answer.headline


@pytest.mark.parametrize("name", STUDIES)
def test_the_numbers_are_those_of_ranking_csv_and_statistics_csv(made, name):
    answer, statistics, _, sweep = made(name)
    ranking = pd.read_csv(sweep.folder / "tables" / "ranking.csv").query("split == 'test'").set_index("method")
    for method, label in LABELS.items():
        row = ranking.loc[method]
        assert f"{label} {row['score']:.3f} [{row['score_low']:.3f}, {row['score_high']:.3f}]" in answer.scores
    assert answer.basis.startswith(f"{ranking['n_images'].iloc[0]} images of the test set, 6 seeds")
    if statistics["verdict"].notna().any():
        lead = statistics.iloc[0]
        interval = f"{lead['difference']:.3f} [{lead['difference_low']:.3f}, {lead['difference_high']:.3f}]"
        names = f"{LABELS[lead['method']]} minus {LABELS[lead['other']]}"
        assert answer.lead == f"{names}, mean Top-K Overlap: {interval}."


def said(answer, about):
    (sentence,) = [sentence for sentence in answer.sentences if sentence.about == about]
    return sentence


def test_a_clear_winner_is_one_and_nothing_is_held_against_it(made):
    answer, statistics, *_ = made("clear winner")
    assert (statistics["verdict"] == "differ").all()
    assert answer.headline == "Grad-CAM ranks above Saliency and Integrated gradients."
    assert said(answer, "controls").weight == said(answer, "chance").weight == said(answer, "metric").weight == SUPPORT
    assert {sentence.about for sentence in answer.sentences if sentence.weight == UNKNOWN} == {
        *("blur", "reliance", "randomisation")
    }


def test_methods_that_do_not_differ_have_no_winner(made):
    answer, statistics, *_ = made("not separated")
    assert (statistics["verdict"] == "not shown to differ").all()
    assert answer.headline == "No two methods are shown to differ."


def test_too_few_images_say_so_first(made):
    answer, statistics, *_ = made("too few images")
    assert statistics["verdict"].isna().all()
    assert answer.headline == "4 images are too few: with fewer than 6, no test can reach p < 0.05."
    assert answer.lead == ""


def test_a_winner_that_is_worse_than_a_control_is_not_praised(made):
    answer, _, _, sweep = made("worse than control")
    ranking = pd.read_csv(sweep.folder / "tables" / "ranking.csv").query("split == 'test' and control.isna()")
    assert (ranking["against_control"] == "below").all()
    assert answer.headline == (
        "Grad-CAM ranks above Saliency and Integrated gradients, but every method does worse than Center (a map "
        "without evidence)."
    )
    assert said(answer, "controls").weight == CAUTION


def test_one_class_is_named(made):
    answer, _, _, sweep = made("one class only")
    assert set(sweep.scores["label"]) == {"crack"}
    assert answer.headline.endswith(", but Crack is the only class of defects.")
    assert said(answer, "images").text.startswith("All ranked images show one class of defects, Crack")


def test_a_winner_by_one_metric_only_is_said_to_be_one(made):
    answer, _, _, sweep = made("winner changes with metric")
    means = sweep.scores.query("split == 'test'").groupby("method")["topk_iou"].mean()[[*LABELS]]
    assert means.idxmax() == "saliency"
    assert answer.headline.endswith(", but Saliency is best by Top-K IoU.")
    assert said(answer, "metric").text == ("Grad-CAM has the best mean by 1 of 2 metrics; by Top-K IoU it is Saliency.")


def test_a_winner_on_sharp_maps_only_is_said_to_be_one(made):
    answer, _, _, sweep = made("winner changes with blur")
    levels = sweep.groups[0].blurred(TEST).groupby(["level", "method"])["topk_overlap"].mean().unstack()[[*LABELS]]
    assert levels.idxmax(axis=1).tolist() == [*["gradcam"] * 4, *["saliency"] * 2]
    assert answer.headline.endswith(", but Saliency is ahead on blurred maps.")
    assert said(answer, "blur").weight == CAUTION
    assert "at a blur of 16 and 32 pixels Saliency leads" in said(answer, "blur").text


@pytest.mark.parametrize("name", STUDIES)
def test_what_the_commands_print_is_what_the_report_shows(made, name):
    answer, _, results, _ = made(name)
    for sentence in answer.sentences:
        if sentence.weight not in (SUPPORT, UNKNOWN):
            assert str(sentence) in results.words
