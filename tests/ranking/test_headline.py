import pandas as pd
import pytest

from tests.ranking.test_conclusion import comparison
from xairank.ranking.headline import (
    blur_clause,
    chance_clause,
    controls_clause,
    headline,
    metric_clause,
    randomisation_clause,
)
from xairank.schema import MetricFacts

LABELS = {"gradcam": "Grad-CAM", "integrated_gradients": "IG", "saliency": "Saliency", "edges": "Edges"}


@pytest.mark.parametrize(
    ("verdicts", "clauses", "expected"),
    [
        (["differ"] * 3, [], "Grad-CAM ranks above IG and Saliency."),
        (
            ["differ", "not shown to differ", "differ"],
            [],
            "Grad-CAM ranks above IG, and is not shown to differ from Saliency.",
        ),
        (["differ on these seeds"] * 3, [], "Grad-CAM ranks above IG and Saliency on these seeds only."),
        (["not shown to differ"] * 3, [], "No two methods are shown to differ."),
        (["not shown to differ"] * 3, ["a", "b"], "No two methods are shown to differ, and a, and b."),
        (
            ["not shown to differ", "not shown to differ", "differ"],
            [],
            "No method is shown to be the best: Grad-CAM is not shown to differ from IG or Saliency.",
        ),
        (
            ["ranks and scores disagree"] * 3,
            [],
            "No method is shown to be the best: Grad-CAM has the better mean rank and the worse scores than IG and "
            "Saliency.",
        ),
        (["differ"] * 3, ["a", "b"], "Grad-CAM ranks above IG and Saliency, but a and b."),
    ],
)
def test_says_what_is_shown_of_the_first_method(verdicts, clauses, expected):
    assert headline(comparison(verdicts), LABELS, clauses=clauses) == expected


def test_too_few_images_have_no_winner_whatever_qualifies_it():
    said = headline(comparison(["", "", ""], n_images=5), LABELS, clauses=["a"])
    assert said == "5 images are too few: with fewer than 6, no test can reach p < 0.05."


def controls(**verdicts):
    return pd.DataFrame([{"method": name, "control": "edges", "verdict": some} for name, some in verdicts.items()])


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ({"gradcam": "above", "saliency": "above"}, ""),
        ({"gradcam": "above", "saliency": "below"}, ""),  # not the first method's fault
        ({"gradcam": "below", "saliency": "above"}, "it does worse than Edges (a map without evidence)"),
        ({"gradcam": "not shown above", "saliency": "above"}, "it is not shown to beat Edges (a map without evidence)"),
        ({"gradcam": "below", "saliency": "below"}, "every method does worse than Edges (a map without evidence)"),
        (
            {"gradcam": "not shown above", "saliency": "below"},
            "no method is shown to beat Edges (a map without evidence)",
        ),
    ],
)
def test_a_control_that_is_not_beaten_is_added(verdicts, expected):
    assert controls_clause(controls(**verdicts), LABELS, "gradcam") == expected


def test_chance_that_is_not_beaten_is_added():
    summary = pd.DataFrame({"method": ["gradcam", "saliency"], "against_chance": ["not shown above", "above"]})
    assert chance_clause(summary, "gradcam") == "it is not shown to beat a random map"
    assert chance_clause(summary, "saliency") == ""


def test_other_metrics_are_counted_and_a_single_one_is_named():
    facts = {name: MetricFacts(name.upper()) for name in ("a", "b", "c")}
    best = {"a": ("gradcam",), "b": ("saliency",), "c": ("gradcam", "saliency")}
    assert metric_clause(best, "a", facts, LABELS, "gradcam") == "Saliency is best by B"
    best["c"] = ("saliency",)
    assert metric_clause(best, "a", facts, LABELS, "gradcam") == "2 of 2 other metrics put another method first"


@pytest.mark.parametrize(("higher", "expected"), [(True, "Saliency is ahead on blurred maps"), (False, "")])
def test_another_leader_on_blurred_maps_is_added(higher, expected):
    rows = [(0, "gradcam", 0.3), (0, "saliency", 0.2), (8, "gradcam", 0.3), (8, "saliency", 0.4), (8, "edges", 0.9)]
    summary = pd.DataFrame(rows, columns=["level", "method", "score"])
    methods = {name: LABELS[name] for name in ("gradcam", "saliency")}
    assert blur_clause(summary, methods, MetricFacts("M", higher_is_better=higher), "gradcam") == expected


@pytest.mark.parametrize(
    ("verdict", "expected"), [("falls", ""), ("", ""), ("maps stay alike", "it fails the randomisation check")]
)
def test_a_failed_randomisation_check_of_the_first_method_is_added(verdict, expected):
    table = pd.DataFrame({"method": ["gradcam", "saliency"], "verdict": [verdict, "not shown to fall"]})
    assert randomisation_clause(table, "gradcam") == expected
