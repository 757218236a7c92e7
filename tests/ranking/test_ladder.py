import numpy as np
import pandas as pd
import pytest

from xairank.ranking.ladder import summarize_levels, who_leads
from xairank.schema import MetricFacts

FACTS = MetricFacts("Top-K Overlap")
LABELS = {"a": "Grad-CAM", "b": "Saliency", "c": "Integrated gradients"}


def summary_of(rows):
    return pd.DataFrame(rows, columns=["level", "method", "score"])


def test_means_by_level_are_those_of_a_plain_loop():
    generator = np.random.default_rng(0)
    rows = pd.DataFrame(
        [
            (level, f"blur {level}", method, seed, f"cut/{case}", f"cut/{case}", generator.random())
            for level in (0, 4)
            for method in "ab"
            for seed in (1, 2, 3)
            for case in range(8)
        ],
        columns=["level", "changed", "method", "seed", "case", "sample", "score"],
    )
    found = summarize_levels(rows, "score").set_index(["level", "method"])
    for level in (0, 4):
        for method in "ab":
            own = rows[(rows["level"] == level) & (rows["method"] == method)]
            row = found.loc[(level, method)]
            assert row["score"] == pytest.approx(own["score"].mean())
            assert row["score_low"] < row["score"] < row["score_high"]


def test_no_rows_give_no_rows():
    assert summarize_levels(pd.DataFrame(columns=["level", "changed", "method", "seed", "case"]), "score").empty


def test_one_leader_at_every_blur_and_a_pair_behind_it_that_changes_places():
    rows = [(0, "a", 0.4), (0, "b", 0.2), (0, "c", 0.1), (8, "a", 0.4), (8, "b", 0.2), (8, "c", 0.25)]
    expected = (
        "Grad-CAM leads at every blur from 0 to 8 pixels; Integrated gradients passes Saliency "
        "(at 8 pixels 0.25 against 0.20)."
    )
    assert who_leads(summary_of(rows), LABELS, FACTS) == expected


def test_another_leader_is_named_with_its_blurs():
    rows = [(0, "a", 0.3), (0, "b", 0.2), (8, "a", 0.3), (8, "b", 0.4), (16, "a", 0.3), (16, "b", 0.5)]
    sentence = who_leads(summary_of(rows), LABELS, FACTS)
    assert sentence == "Unblurred Grad-CAM leads (0.30), Saliency at a blur of 8 and 16 pixels (0.40 against 0.30)."


def test_controls_do_not_lead_and_lower_may_be_better():
    rows = [(0, "a", 0.3), (0, "b", 0.2), (0, "center", 0.9), (8, "a", 0.3), (8, "b", 0.1), (8, "center", 0.01)]
    lower = MetricFacts("Distance", higher_is_better=False)
    assert who_leads(summary_of(rows), LABELS, lower) == "Saliency leads at every blur from 0 to 8 pixels."


def test_one_method_has_no_leader():
    assert who_leads(summary_of([(0, "a", 0.3), (8, "a", 0.2)]), {"a": "Grad-CAM"}, FACTS) == ""
