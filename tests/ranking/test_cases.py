import numpy as np
import pandas as pd
import pytest

from tests.ranking.studies import FACTS, Effects, scores_of
from xairank.ranking.cases import case_matrices
from xairank.ranking.statistics import compare_methods, summarize_methods


def test_near_duplicates_of_every_image_change_no_interval_and_no_p_value():
    overlaps = Effects(methods=(0.0, -0.4, -0.3)).draw(np.random.default_rng(0), 4, 12)
    overlaps[:, np.random.default_rng(1).random((4, 12)) < 0.2] = np.nan
    scores = scores_of(overlaps)
    doubled = pd.concat([scores, scores.assign(sample=scores["sample"] + "_copy")], ignore_index=True)
    once, twice = (summarize_methods(some, "topk_overlap", FACTS) for some in (scores, doubled))
    assert twice["n_images"].tolist() == [24] * 3
    assert twice["n_cases"].tolist() == [12] * 3
    pd.testing.assert_frame_equal(once.drop(columns="n_images"), twice.drop(columns="n_images"))
    found, again = (compare_methods(some, "topk_overlap", FACTS) for some in (scores, doubled))
    pd.testing.assert_frame_equal(found.pairs, again.pairs)
    assert found.friedman_p == pytest.approx(again.friedman_p)
    assert (again.n_images, again.n_cases) == (24, 12)


def test_a_case_is_the_mean_over_its_images_within_a_seed():
    rows = [(1, "a", "a", 0.2), (1, "b", "a", 0.6), (1, "c", "c", 0.9), (2, "a", "a", 0.5)]
    scores = pd.DataFrame(rows, columns=["seed", "sample", "case", "score"]).assign(method="m")
    np.testing.assert_allclose(case_matrices(scores, "score")["m"], [[0.4, 0.9], [0.5, np.nan]])
