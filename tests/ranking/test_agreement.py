"""Agreement of metrics: scipy's tau image by image, and means and intervals as those of scores."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from tests.ranking.studies import Effects, scores_of
from xairank.ranking.agreement import agreement, best_methods, obstacle, tau_matrix
from xairank.ranking.bootstrap import bootstrap_interval, draw_resamples
from xairank.ranking.statistics import summarize_methods
from xairank.schema import MetricFacts

FACTS = {
    "topk_overlap": MetricFacts("Top-K Overlap"),
    "hit": MetricFacts("Hit"),
    "distance": MetricFacts("Distance", higher_is_better=False),
}


def study(n_seeds=4, n_images=20, n_methods=5, missing=0.0):
    """Scores of three metrics: one without ties, one with many, and one that is better where it is lower."""
    generator = np.random.default_rng([n_seeds, n_images])
    levels = np.linspace(-1, 0.5, n_methods)
    overlaps = Effects(methods=tuple(levels)).draw(generator, n_seeds, n_images)
    overlaps[:, generator.random((n_seeds, n_images)) < missing] = np.nan
    index = pd.MultiIndex.from_product(
        [[f"m{i}" for i in range(n_methods)], range(n_seeds), [f"cut/{i:03}" for i in range(n_images)]],
        names=["method", "seed", "sample"],
    )
    scores = pd.DataFrame({"topk_overlap": overlaps.ravel()}, index=index).dropna().reset_index()
    noise = generator.normal(0, 0.2, len(scores))
    return scores.assign(
        case=scores["sample"],
        fold=pd.array([pd.NA] * len(scores), "Int64"),
        hit=(scores["topk_overlap"] + noise > 0.5).astype(float),
        distance=1 - scores["topk_overlap"] + generator.normal(0, 0.3, len(scores)),
    )


def image_taus(scores, metric, other, sign=1):
    """By scipy: (seeds, samples), NaN where an image has no tau or was not ranked."""
    found = {
        key: sign * kendalltau(rows[metric], rows[other], variant="b").statistic
        for key, rows in scores.groupby(["seed", "sample"])
    }
    return pd.Series(found).unstack().to_numpy()


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_is_the_mean_of_scipys_tau_with_the_interval_of_scores(missing):
    scores = study(missing=missing)
    table = agreement(scores, FACTS).set_index(["metric", "other"])
    assert table.index.tolist() == [("topk_overlap", "hit"), ("topk_overlap", "distance"), ("hit", "distance")]
    for (metric, other), row in table.iterrows():
        taus = image_taus(scores, metric, other, -1 if "distance" in (metric, other) else 1)
        seeds = np.nanmean(taus, axis=1)
        assert row["tau"] == pytest.approx(seeds.mean(), abs=1e-12)
        ranked = scores.drop_duplicates(["seed", "sample"]).shape[0]
        assert row["undefined"] == pytest.approx(1 - np.isfinite(taus).sum() / ranked)
        assert row["n_images"] == np.isfinite(taus).any(axis=0).sum()
        known = taus[:, np.isfinite(taus).any(axis=0)]
        # Resamples depend on the order of the images, in which taus are averaged as they appear.
        interval = bootstrap_interval(known, draw_resamples(*known.shape), -1, 1)
        assert (row["tau_low"], row["tau_high"]) == pytest.approx(interval[1:], abs=0.05)
        assert row["tau_low"] < row["tau"] < row["tau_high"]
    assert table.loc[("topk_overlap", "hit"), "undefined"] > 0 == table.loc[("topk_overlap", "distance"), "undefined"]


def test_one_order_whichever_way_is_better():
    scores = study()
    scores = scores.assign(hit=scores["topk_overlap"] ** 3, distance=5 - 2 * scores["topk_overlap"])
    table = agreement(scores, FACTS)
    np.testing.assert_allclose(table["tau"], 1)
    assert table["same_winner"].all()
    reverse = agreement(scores.assign(distance=-scores["distance"]), FACTS)
    np.testing.assert_allclose(reverse["tau"], [1, -1, -1])
    assert reverse["same_winner"].tolist() == [True, False, False]


def test_a_metric_that_is_constant_has_no_tau_and_every_winner():
    table = agreement(study().assign(hit=1.0), FACTS).set_index(["metric", "other"])
    row = table.loc[("topk_overlap", "hit")]
    assert row[["tau", "tau_low", "tau_high"]].isna().all()
    assert (row["undefined"], row["n_images"], row["n_seeds"]) == (1, 0, 0)
    assert row["other_winners"] == ("m0", "m1", "m2", "m3", "m4")
    assert not row["same_winner"]
    assert table.loc[("topk_overlap", "distance"), "tau"] > 0


def test_rounding_breaks_no_tie():
    scores = study()
    noise = np.random.default_rng(0).uniform(-1e-12, 1e-12, len(scores))
    pd.testing.assert_frame_equal(agreement(scores, FACTS), agreement(scores.assign(hit=scores["hit"] + noise), FACTS))


def test_winners_are_those_of_the_ranking():
    scores = study(missing=0.3)
    for metric, facts in FACTS.items():
        summary = summarize_methods(scores, metric, facts).set_index("method")["score"]
        best = summary.idxmax() if facts.higher_is_better else summary.idxmin()
        assert best_methods(scores, metric, facts) == (best,)


def test_near_duplicates_and_folds_count_once():
    scores = study(n_images=8)
    once = agreement(scores, FACTS)
    copies = agreement(pd.concat([scores, scores.assign(sample=scores["sample"] + "_copy")]), FACTS)
    assert copies["n_images"].tolist() == (2 * once["n_images"]).tolist()
    pd.testing.assert_frame_equal(copies.drop(columns="n_images"), once.drop(columns="n_images"))
    folds = agreement(pd.concat([scores.assign(fold=0), scores.assign(fold=1)]), FACTS)
    pd.testing.assert_frame_equal(folds, once)


def test_the_order_of_the_rows_does_not_matter():
    scores = study(n_seeds=1)
    mixed = scores.sample(frac=1, random_state=0)
    np.testing.assert_allclose(agreement(mixed, FACTS)["tau"], agreement(scores, FACTS)["tau"])


def test_the_matrix_is_symmetric_with_ones():
    table = agreement(study(), FACTS)
    matrix = tau_matrix(table, list(FACTS))
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_array_equal(np.diag(matrix), 1)
    assert matrix.loc["distance", "hit"] == table["tau"].iloc[2]


def test_nothing_to_compare_says_why():
    scores = study()
    one = {"hit": FACTS["hit"]}
    for rows, facts, reason in (
        (scores, one, "there is only one metric, Hit"),
        (scores, {}, "there is no metric"),
        (scores[scores["method"] == "m0"], FACTS, "there is only one method"),
        (scores.head(0), FACTS, "no image is ranked"),
    ):
        assert obstacle(rows, facts) == reason
        assert agreement(rows, facts).empty
    assert obstacle(scores, FACTS) == ""


def test_one_image_has_a_tau_and_no_interval():
    table = agreement(study(n_seeds=1, n_images=1), FACTS)
    row = table[table["other"] == "distance"].iloc[0]
    assert -1 <= row["tau"] <= 1
    assert np.isnan(row["tau_low"])


def test_scores_of_a_study_without_a_second_metric():
    scores = scores_of(Effects().draw(np.random.default_rng(0), 2, 6))
    assert agreement(scores, {"topk_overlap": FACTS["topk_overlap"]}).empty
