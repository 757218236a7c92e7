import re

import numpy as np
import pandas as pd
import pytest

from tests.ranking.studies import FACTS, scores_of
from xairank.ranking.chance import at_chance, chance_corrected
from xairank.ranking.statistics import summarize_methods
from xairank.schema import MetricFacts


def test_chance_correction_maps_chance_to_none_and_the_best_to_one():
    scores = pd.DataFrame({"s": [0.2, 1.0, 0.0, 0.6, 1.0], "s_chance": [0.2, 0.2, 0.2, 0.2, 1.0]})
    assert chance_corrected(scores, "s", FACTS).tolist() == pytest.approx([0, 1, -0.25, 0.5, 0])
    lower = MetricFacts("Distance", higher_is_better=False, low=0.0, high=None)
    distances = pd.DataFrame({"s": [8.0, 0.0, 4.0], "s_chance": 8.0})
    assert chance_corrected(distances, "s", lower).tolist() == pytest.approx([0, 1, 0.5])
    assert chance_corrected(distances, "s", MetricFacts("Gain", high=None)).isna().all()
    assert chance_corrected(distances[["s"]], "s", lower).isna().all()


@pytest.mark.parametrize("n_seeds", [1, 5])
@pytest.mark.parametrize("higher_is_better", [True, False])
def test_says_which_methods_are_at_chance_and_which_below(n_seeds, higher_is_better):
    noise = 0.02 * np.random.default_rng(0).normal(size=(3, n_seeds, 20))
    noise -= noise.mean(axis=(1, 2), keepdims=True)
    scores = scores_of(np.array([0.6, 0.3, 0.1])[:, None, None] + noise).assign(topk_overlap_chance=0.3)
    facts = MetricFacts("m", higher_is_better=higher_is_better)
    summary = summarize_methods(scores, "topk_overlap", facts)
    text = at_chance(summary, higher_is_better=higher_is_better)
    better, worse, bad = (
        ("above", "below", "Integrated gradients") if higher_is_better else ("better than", "worse than", "Gradcam")
    )
    number = r"(-?\d\.\d\d)"
    decides = rf"chance 0\.30; chance-corrected {number} \[{number}, {number}\]"
    at = re.search(rf"^Saliency is not shown to be {better} chance \(0\.30, {decides}\); ", text)
    off = re.search(rf"{bad} is {worse} chance \(0\.\d0, {decides}\)\.$", text)
    assert float(at[2]) <= 0 <= float(at[3])  # what is in brackets decides
    assert float(off[2]) <= float(off[1]) <= float(off[3]) < 0


def test_a_perfect_method_is_above_chance_though_nothing_varies():
    scores = scores_of(np.ones((1, 2, 8)))
    assert at_chance(summarize_methods(scores, "topk_overlap", FACTS)) == ""
