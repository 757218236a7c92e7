import re

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy.stats import ttest_1samp

from xairank.experiment.summary import excluded_counts, print_summary
from xairank.schema import MethodFacts, MetricFacts

SCORES = {"a": {"gradcam": 0.6, "saliency": 0.2}, "b": {"gradcam": 0.4, "saliency": 0.4}}
EXCLUDED = pd.DataFrame({"split": ["test"] * 4, "reason": ["good", "good", "misclassified", "empty_mask"]})
METHODS = {"gradcam": MethodFacts("Grad-CAM"), "saliency": MethodFacts("Plain gradients")}
FACTS = MetricFacts("Inside share")


def table(values, chance=0.05):
    """A row an image and method; values by image and method."""
    return pd.DataFrame(
        [
            {"seed": 0, "fold": 0, "split": "test", "sample": sample, "case": sample, "label": "crack"}
            | {"method": method, "inside": value, "inside_chance": chance}
            for sample, some in values.items()
            for method, value in some.items()
        ]
    )


def printed(scores, excluded=EXCLUDED, ties="shared", facts=FACTS):
    console = Console(width=140, record=True)
    with console.capture() as capture:
        print_summary(console, scores, excluded, METHODS, "inside", facts, ties)
    return capture.get()


def cells(text, label):
    """The cells of a method's row."""
    (row,) = [line for line in text.splitlines() if re.match(rf" *(test)? +{label}  ", line)]
    return re.split(r" {2,}", row.strip().removeprefix("test").strip())


@pytest.mark.parametrize(("ties", "rates"), [("shared", ["0.750", "0.250"]), ("first", ["1.000", "0.000"])])
def test_means_and_win_rates_are_over_images(ties, rates):
    text = printed(table(SCORES), ties=ties)
    rows = [cells(text, "Grad-CAM"), cells(text, "Plain gradients")]
    assert [row[1].split()[0] for row in rows] == ["0.500", "0.300"]
    assert [row[2] for row in rows] == rates
    assert [row[3] for row in rows] == ["2", "2"]


def test_where_less_is_better_the_least_wins_and_is_bold():
    facts = MetricFacts("Error", higher_is_better=False)
    console = Console(width=140, record=True, force_terminal=True)
    with console.capture() as capture:
        print_summary(console, table(SCORES), EXCLUDED, METHODS, "inside", facts, "shared")
    assert "\x1b[1m0.300" in capture.get()
    assert "\x1b[1m0.500" not in capture.get()
    assert "\x1b[1m0.750" in capture.get()


def many(gains, chance=0.05):
    return table(
        {f"i{n}": {"gradcam": chance + gain, "saliency": chance} for n, gain in enumerate(gains)}, chance=chance
    )


@pytest.mark.parametrize(("shift", "above"), [(0.02, False), (0.3, True)])
@pytest.mark.parametrize("seed", range(5))
def test_what_is_not_shown_above_chance_is_said(seed, shift, above):
    """Far from the border, a t-test of the gains over chance says the same as the interval."""
    gains = np.random.default_rng(seed).normal(shift, 0.2, 24)
    test = ttest_1samp(gains, 0)
    assert (test.pvalue < 0.01 and test.statistic > 0) == above
    (said,) = [line for line in printed(many(gains)).splitlines() if line.startswith("Test: ")]
    assert said.startswith("Test: Plain gradients is" if above else "Test: Grad-CAM and Plain gradients are")
    assert "not shown to be above chance" in said


def test_near_duplicates_are_one_case_and_do_not_make_chance_unlikely():
    scores = many([0.4, -0.4, 0.3, -0.3, 0.2, -0.2] + [0.3] * 20)
    assert "Test: Plain gradients is not shown to be above chance" in printed(scores)
    twenty = scores["sample"].isin([f"i{n}" for n in range(6, 26)])
    scores["case"] = scores["sample"].mask(twenty, "i6")
    assert "Test: Grad-CAM and Plain gradients are not shown to be above chance" in printed(scores)
    assert "26 (7)" in printed(scores)


def test_what_was_left_out_is_counted_by_reason():
    assert excluded_counts(EXCLUDED, "test") == "2 good, 1 misclassified, 1 empty mask"
    assert excluded_counts(EXCLUDED, "train") == "none"


def test_the_table_says_all_a_reader_must_know():
    text = printed(table(SCORES))
    for words in ("Inside share with the defect mask", "Grad-CAM", "Plain gradients", "0.500", "0.750"):
        assert words in text
    assert "2 good, 1 misclassified, 1 empty mask" in text
    assert "A random map scores 0.050 (test)." in text
    assert "Test: 2 cases are too few to conclude from." in text


def test_nothing_is_said_of_chance_where_it_is_not_known():
    text = printed(table(SCORES).drop(columns="inside_chance"))
    assert "chance" not in text.lower()
    assert "random map" not in text


def test_a_run_without_a_ranked_image_says_so():
    assert "No image could be ranked" in printed(table(SCORES).iloc[:0])
