import numpy as np
import pandas as pd
import pytest

from xairank.ranking.ladder import summarize_levels, who_leads
from xairank.schema import MetricFacts

FACTS = MetricFacts("Top-K Overlap")
LABELS = {"a": "Grad-CAM", "b": "Saliency", "c": "Integrated gradients"}


def study(means, n_cases=24, seeds=(1, 2, 3, 4, 5), spread=0.02):
    """Rows of which ``means`` says the mean by blur and method; cases differ, and by ``spread`` methods within them."""
    generator = np.random.default_rng(0)
    image = generator.normal(0, 0.05, n_cases)
    rows = [
        (
            level,
            f"blur {level}",
            method,
            seed,
            f"cut/{case}",
            f"cut/{case}",
            mean + image[case] + generator.normal(0, spread),
        )
        for level, by_method in means.items()
        for method, mean in by_method.items()
        for seed in seeds
        for case in range(n_cases)
    ]
    return pd.DataFrame(rows, columns=["level", "changed", "method", "seed", "case", "sample", "score"])


def sentence_of(means, facts=FACTS, **options):
    return who_leads(study(means, **options), "score", facts, LABELS)


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
    found = summarize_levels(rows, "score", (0, 1)).set_index(["level", "method"])
    for level in (0, 4):
        for method in "ab":
            own = rows[(rows["level"] == level) & (rows["method"] == method)]
            row = found.loc[(level, method)]
            assert row["score"] == pytest.approx(own["score"].mean())
            assert row["score_low"] < row["score"] < row["score_high"]


def test_no_rows_give_no_rows():
    assert summarize_levels(pd.DataFrame(columns=["level", "changed", "method", "seed", "case"]), "score", (0, 1)).empty


def test_intervals_stay_within_the_limits_of_the_metric():
    rows = study({0.0: {"a": 0.0}}, n_cases=6, spread=0.2)
    rows["score"] = rows["score"].clip(0, 1)
    free, held = (summarize_levels(rows, "score", limits) for limits in ((-np.inf, np.inf), (0.05, 1)))
    assert free["score_low"].item() < 0.05 == held["score_low"].item()
    assert free["score_high"].item() == held["score_high"].item()


def test_levels_are_whole_numbers():
    assert summarize_levels(study({2.0: {"a": 0.3}}), "score", (0, 1))["level"].tolist() == [2]
    assert str(summarize_levels(study({2.0: {"a": 0.3}}), "score", (0, 1))["level"].item()) == "2"


def test_one_leader_at_every_blur_and_a_pair_behind_it_that_changes_places():
    sentence = sentence_of({0: {"a": 0.4, "b": 0.2, "c": 0.1}, 8: {"a": 0.4, "b": 0.2, "c": 0.25}})
    first, second = sentence.split("; ")
    assert first.startswith("At every blur from 0 to 8 pixels Grad-CAM leads (unblurred 0.")
    assert first.endswith(" of Saliency)")
    assert second.startswith("Integrated gradients passes Saliency at 8 pixels (0.2")


def test_another_leader_is_named_with_its_blurs():
    sentence = sentence_of({0: {"a": 0.3, "b": 0.2}, 8: {"a": 0.3, "b": 0.4}, 16: {"a": 0.3, "b": 0.5}})
    first, second = sentence.split("; ")  # that Saliency has passed Grad-CAM is not said twice
    assert first.startswith("Unblurred Grad-CAM leads (0.")
    assert second.startswith("at a blur of 8 and 16 pixels Saliency leads (at 8 pixels 0.")


def test_what_chance_explains_is_no_lead_and_no_change_of_places():
    sentence = sentence_of({0: {"a": 0.301, "b": 0.3}, 8: {"a": 0.3, "b": 0.301}}, spread=0.1)
    assert " leads" not in sentence
    assert "not shown to lead" in sentence
    assert "passes" not in sentence


def test_a_lead_of_equal_methods_is_seldom_claimed():
    """Simulation: twelve methods that are alike, twenty studies, of which three at most may claim a lead anywhere."""
    generator = np.random.default_rng(1)
    claims = 0
    labels = {name: name for name in "abcdefghijkl"}
    rows = study({level: dict.fromkeys(labels, 0.3) for level in (0, 8, 16)}, n_cases=12, seeds=(1, 2))
    for _ in range(20):
        drawn = rows.assign(score=generator.normal(0.3, 0.1, len(rows)))
        sentence = who_leads(drawn, "score", FACTS, labels)
        claims += " leads" in sentence
    assert claims <= 3


def test_controls_do_not_lead_and_lower_may_be_better():
    lower = MetricFacts("Distance", higher_is_better=False)
    means = {0: {"a": 0.3, "b": 0.2, "center": 0.9}, 8: {"a": 0.3, "b": 0.1, "center": 0.01}}
    assert sentence_of(means, lower).startswith("At every blur from 0 to 8 pixels Saliency leads (unblurred 0.")


def test_one_method_or_too_few_cases_have_no_leader():
    assert sentence_of({0: {"a": 0.3}, 8: {"a": 0.2}}) == ""
    assert sentence_of({0: {"a": 0.9, "b": 0.1}, 8: {"a": 0.9, "b": 0.1}}, n_cases=5) == ""


def test_many_pairs_are_counted():
    labels = {name: name for name in "abcdef"}
    means = {0: {name: 0.6 - place / 10 for place, name in enumerate(labels)}}
    means[8] = {name: 0.1 + place / 10 for place, name in enumerate(labels)}
    sentence = who_leads(study(means), "score", FACTS, labels)
    assert sentence.count(" passes ") == 3
    assert sentence.endswith("11 more pairs that changed places.")
