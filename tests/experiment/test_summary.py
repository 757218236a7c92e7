import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy.stats import ttest_1samp

from xairank.experiment.summary import excluded_counts, print_summary, summarize
from xairank.schema import MethodFacts, MetricFacts

SCORES = {"a": {"gradcam": 0.6, "saliency": 0.2}, "b": {"gradcam": 0.4, "saliency": 0.4}}
EXCLUDED = pd.DataFrame({"split": ["test"] * 4, "reason": ["good", "good", "misclassified", "empty_mask"]})
METHODS = {"gradcam": MethodFacts("Grad-CAM"), "saliency": MethodFacts("Plain gradients")}
FACTS = MetricFacts("Inside share")


def table(values, cases=None, chance=0.05):
    """A row an image and method; values by image and method."""
    return pd.DataFrame(
        [
            {"split": "test", "sample": sample, "case": (cases or {}).get(sample, sample), "method": method}
            | {"inside": value, "inside_chance": chance}
            for sample, some in values.items()
            for method, value in some.items()
        ]
    )


def printed(scores, excluded=EXCLUDED, ties="shared", facts=FACTS):
    console = Console(width=140, record=True)
    with console.capture() as capture:
        print_summary(console, scores, excluded, METHODS, "inside", facts, ties)
    return capture.get()


@pytest.mark.parametrize(("ties", "win_rates"), [("shared", [0.75, 0.25]), ("first", [1.0, 0.0])])
def test_means_and_win_rates_are_over_images(ties, win_rates):
    summary = summarize(table(SCORES), METHODS, "inside", FACTS, ties)
    assert summary["mean"].tolist() == pytest.approx([0.5, 0.3])
    assert summary["win_rate"].tolist() == win_rates
    assert summary["n_images"].tolist() == summary["n_cases"].tolist() == [2, 2]


def test_where_less_is_better_the_least_wins_and_is_bold():
    facts = MetricFacts("Error", higher_is_better=False)
    summary = summarize(table(SCORES), METHODS, "inside", facts, "shared")
    assert summary["win_rate"].tolist() == [0.25, 0.75]
    console = Console(width=140, record=True, force_terminal=True)
    with console.capture() as capture:
        print_summary(console, table(SCORES), EXCLUDED, METHODS, "inside", facts, "shared")
    assert "\x1b[1m0.300" in capture.get()
    assert "\x1b[1m0.500" not in capture.get()


def many(gains, chance=0.05):
    return table(
        {f"i{n}": {"gradcam": chance + gain, "saliency": chance} for n, gain in enumerate(gains)}, chance=chance
    )


@pytest.mark.parametrize("seed", range(20))
def test_above_chance_is_what_a_one_sample_t_test_says(seed):
    gains = np.random.default_rng(seed).normal(0.1, 0.2, 12)
    test = ttest_1samp(gains, 0)
    summary = summarize(many(gains), METHODS, "inside", FACTS, "shared")
    assert summary["beats_chance"].tolist() == [test.pvalue < 0.05 and test.statistic > 0, False]


def test_near_duplicates_are_one_case_and_do_not_make_chance_unlikely():
    gains = [0.3, 0.3, 0.3, 0.3, 0.3, 0.31, 0.29, -0.4]
    alone = summarize(many(gains + [0.2] * 20), METHODS, "inside", FACTS, "shared")
    scores = many(gains + [0.2] * 20)
    scores["case"] = scores["sample"].where(scores["sample"] == "i7", "i0")
    together = summarize(scores, METHODS, "inside", FACTS, "shared")
    assert (alone["beats_chance"][0], together["beats_chance"][0]) == (True, False)
    assert together["n_cases"].tolist() == [2, 2]
    assert "28 (2 cases)" in printed(scores)


def test_what_was_left_out_is_counted_by_reason():
    assert excluded_counts(EXCLUDED, "test") == "2 good, 1 misclassified, 1 empty mask"
    assert excluded_counts(EXCLUDED, "train") == "none"


def test_the_table_says_all_a_reader_must_know():
    text = printed(table(SCORES))
    for words in ("Inside share with the defect mask", "Grad-CAM", "Plain gradients", "0.500", "0.750"):
        assert words in text
    assert "2 good, 1 misclassified, 1 empty mask" in text
    assert "Chance: 0.050" in text
    assert "2 cases are too few to conclude" in text
    assert "Not shown to be above chance, test: Grad-CAM and Plain gradients." in text


def test_nothing_is_said_of_chance_where_it_is_not_known():
    text = printed(table(SCORES).drop(columns="inside_chance"))
    assert "chance" not in text.lower()


def test_a_run_without_a_ranked_image_says_so():
    assert "No image could be ranked" in printed(table(SCORES).iloc[:0])
