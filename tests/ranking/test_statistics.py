import warnings

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
from scipy import stats
from statsmodels.stats.multitest import multipletests

from tests.ranking.studies import FACTS, METHODS, Effects, scores_of
from xairank.ranking.bootstrap import two_way_p
from xairank.ranking.cases import case_means
from xairank.ranking.conclusion import conclude
from xairank.ranking.pairs import critical_difference, differences, holm, rank_biserial
from xairank.ranking.statistics import (
    _friedman,
    compare_methods,
    summarize_methods,
)
from xairank.ranking.wins import mean_over_seeds, win_rates
from xairank.schema import MetricFacts

MODERATE = Effects(methods=(0.0, -0.4, -0.3))


def study(effects=MODERATE, n_seeds=5, n_images=20, seed=0, missing=0.0):
    generator = np.random.default_rng(seed)
    overlaps = effects.draw(generator, n_seeds, n_images)
    overlaps[:, generator.random((n_seeds, n_images)) < missing] = np.nan
    return scores_of(overlaps)


def test_image_means_average_over_the_seeds_and_folds_that_ranked_the_image():
    scores = pd.concat([study(missing=0.3), study(seed=1, missing=0.3).assign(fold=1)], ignore_index=True)
    means = case_means(scores, "topk_overlap")
    assert list(means.columns) == list(METHODS)
    for sample, row in means.iterrows():
        for method, value in row.items():
            chosen = scores[(scores["sample"] == sample) & (scores["method"] == method)]["topk_overlap"]
            assert value == pytest.approx(chosen.groupby(scores["seed"]).mean().mean())


def test_summary_means_are_those_of_the_papers_tables():
    scores = study(missing=0.2)
    summary = summarize_methods(scores, "topk_overlap", FACTS).set_index("method")
    rates = mean_over_seeds(win_rates(scores, "topk_overlap").query("label == 'overall'"), "win_rate").set_index(
        "method"
    )
    pd.testing.assert_series_equal(summary["win_rate"], rates["mean"], check_names=False)
    by_seed = scores.groupby(["method", "seed"])["topk_overlap"].mean().groupby("method").mean()
    assert summary["score"].to_dict() == pytest.approx(by_seed.to_dict())
    for measure in ("score", "chance_corrected", "rank", "win_rate"):
        assert (summary[f"{measure}_low"] < summary[measure]).all()
        assert (summary[measure] < summary[f"{measure}_high"]).all()
    assert (summary["n_images"] == scores["sample"].nunique()).all()
    assert summary["chance"].tolist() == pytest.approx([500 / 50176] * 3)


def test_summary_ranks_of_three_methods_sum_to_six_and_ties_go_to_the_first_on_request():
    tied = scores_of(np.full((3, 2, 8), 0.5))
    shared, first = (
        summarize_methods(tied, "topk_overlap", FACTS).set_index("method"),
        summarize_methods(tied, "topk_overlap", FACTS, "first").set_index("method"),
    )
    assert shared["rank"].tolist() == [2, 2, 2]
    assert shared["win_rate"].tolist() == pytest.approx([1 / 3] * 3)
    assert first["win_rate"].tolist() == [1, 0, 0]


def _matrix(scores, method):
    chosen = scores[scores["method"] == method]
    return chosen.pivot(index="seed", columns="sample", values="topk_overlap").to_numpy()


def test_tests_equal_those_of_the_libraries():
    scores = study(n_images=18)
    images = case_means(scores, "topk_overlap")
    found = compare_methods(scores, "topk_overlap", FACTS)
    friedman = stats.friedmanchisquare(*images.to_numpy().T)
    assert (found.friedman_statistic, found.friedman_p) == pytest.approx((friedman.statistic, friedman.pvalue))
    assert found.mean_ranks.to_dict() == pytest.approx(images.rank(axis=1, ascending=False).mean().to_dict())
    assert found.mean_ranks.is_monotonic_increasing
    nemenyi = scikit_posthocs.posthoc_nemenyi_friedman(images)
    wilcoxon = {}
    for pair in found.pairs.to_dict("records"):
        method, other = pair["method"], pair["other"]
        assert found.mean_ranks[method] <= found.mean_ranks[other]
        expected = stats.wilcoxon(images[method], images[other])
        assert pair["wilcoxon_p"] == pytest.approx(expected.pvalue)
        assert pair["nemenyi_p"] == pytest.approx(nemenyi.loc[method, other], abs=1e-9)
        assert pair["rank_difference"] == pytest.approx(found.mean_ranks[other] - found.mean_ranks[method])
        assert pair["difference"] == pytest.approx((images[method] - images[other]).mean())
        assert pair["difference_low"] < pair["difference"] < pair["difference_high"]
        assert pair["two_way_p"] >= two_way_p(_matrix(scores, method) - _matrix(scores, other))
        wilcoxon[method, other] = pair["wilcoxon_p"]
    expected = multipletests(list(wilcoxon.values()), method="holm")[1]
    assert found.pairs["holm_p"].tolist() == pytest.approx(expected)


def test_holm_equals_that_of_statsmodels():
    generator = np.random.default_rng(0)
    for n in range(1, 20):
        p_values = generator.random(n) ** 3
        np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1])


@pytest.mark.parametrize(("n_methods", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (10, 3.164)])
def test_critical_difference_is_that_of_demsars_table(n_methods, q):
    # Demsar 2006, Table 5a: q at 5 %; CD = q sqrt(k (k + 1) / (6 N)).
    expected = q * np.sqrt(n_methods * (n_methods + 1) / (6 * 30))
    assert critical_difference(30, n_methods) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("differences", "expected"),
    [([1.0, 2.0, 3.0], 1), ([-0.1, -5.0], -1), ([1.0, -2.0, 3.0, 0.0], (1 + 3 - 2) / 6), ([0.0, 0.0], 0)],
)
def test_rank_biserial(differences, expected):
    assert rank_biserial(np.array(differences)) == pytest.approx(expected)


def test_verdicts_of_clear_methods_and_of_tied_ones():
    scores = study(Effects(methods=(2.0, -1.0, -1.0), seed_and_method=0.05), n_seeds=8, n_images=30)
    pairs = compare_methods(scores, "topk_overlap", FACTS).pairs
    assert pairs["verdict"].tolist() == ["differ", "differ", "not shown to differ"]
    assert pairs["method"].tolist()[:2] == ["gradcam", "gradcam"]
    assert pairs["rank_biserial"].tolist()[:2] == pytest.approx([1, 1])


def test_a_difference_that_the_seeds_dispute_holds_on_these_seeds_only():
    generator = np.random.default_rng(0)
    overlaps = 0.5 + 0.01 * generator.normal(size=(2, 2, 30))
    overlaps[0] += np.array([[0.3], [-0.1]])
    [pair] = compare_methods(scores_of(overlaps), "topk_overlap", FACTS).pairs.to_dict("records")
    assert pair["holm_p"] < 0.001
    assert pair["two_way_p"] > 0.1
    assert pair["verdict"] == "differ on these seeds"


def test_fewer_than_six_images_get_no_p_value():
    found = compare_methods(study(n_images=5), "topk_overlap", FACTS)
    assert found.n_images == 5
    assert np.isnan([found.friedman_statistic, found.friedman_p, found.critical_difference]).all()
    assert found.pairs[["wilcoxon_p", "holm_p", "nemenyi_p", "two_way_p"]].isna().all(axis=None)
    assert (found.pairs["verdict"] == "").all()
    assert compare_methods(study(n_images=6), "topk_overlap", FACTS).pairs["wilcoxon_p"].notna().all()


@pytest.mark.parametrize("n_methods", [1, 2, 3])
@pytest.mark.parametrize("n_seeds", [1, 3])
@pytest.mark.parametrize("n_images", [1, 2, 6, 20])
@pytest.mark.parametrize("kind", ["constant", "zero", "some ties", "one image differs"])
def test_degenerate_scores_neither_crash_nor_warn(n_methods, n_seeds, n_images, kind):
    shape = (n_methods, n_seeds, n_images)
    overlaps = {
        "constant": np.full(shape, 0.4),
        "zero": np.zeros(shape),
        "some ties": np.random.default_rng(0).integers(0, 2, shape) / 2,
        "one image differs": np.pad(np.ones((1, n_seeds, 1)), [(0, n_methods - 1), (0, 0), (0, n_images - 1)]),
    }[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        summary = summarize_methods(scores_of(overlaps), "topk_overlap", FACTS)
        found = compare_methods(scores_of(overlaps), "topk_overlap", FACTS)
    assert len(summary) == n_methods
    assert len(found.pairs) == n_methods * (n_methods - 1) // 2
    if kind in ("constant", "zero") and n_images >= 6:
        assert (found.pairs["wilcoxon_p"] == 1).all()
        assert set(found.pairs["verdict"]) <= {"not shown to differ"}
        assert n_methods < 3 or found.friedman_p == 1
    ps = found.pairs[["wilcoxon_p", "holm_p", "nemenyi_p", "two_way_p"]].to_numpy(float)
    assert (np.isnan(ps) | ((ps >= 0) & (ps <= 1))).all()


def attained_distance(p_values, below=1.0):
    """Kolmogorov-Smirnov distance from the uniform distribution at the p-values a discrete test can attain."""
    attained, places = np.unique(np.sort(p_values), return_index=True)
    shares = np.append(places[1:], len(p_values)) / len(p_values)
    return np.abs(shares - attained)[attained < below].max()


@pytest.mark.slow
@pytest.mark.parametrize("n_images", [16, 70])
def test_p_values_are_uniform_when_no_method_is_better(n_images, capsys):
    equal = Effects(methods=(-0.5, -0.5, -0.5), seed_and_method=0)
    generator = np.random.default_rng(3)
    wilcoxon, friedman = [], []
    for _ in range(1000):
        images = pd.DataFrame(equal.draw(generator, 10, n_images).mean(axis=1).T, columns=METHODS)
        wilcoxon.append(wilcoxon(differences(images, *METHODS[:2])))
        friedman.append(_friedman(images)[1])
    distances = attained_distance(wilcoxon), attained_distance(friedman, below=0.2)
    rates = [float(np.mean(np.array(friedman) <= alpha)) for alpha in (0.01, 0.05, 0.1)]
    with capsys.disabled():
        print(f"\n{n_images} images: KS distance of Wilcoxon {distances[0]:.3f}, Friedman (p < 0.2) {distances[1]:.3f}")
        print(f"Friedman's rate at 1, 5, 10 %: {rates}")
    critical = 1.358 / np.sqrt(1000)  # of Kolmogorov and Smirnov at 5 %; a discrete test stays further below
    assert max(distances) < critical


@pytest.mark.slow
@pytest.mark.parametrize("seed_and_method", [0.0, 0.6])
def test_equal_methods_are_seldom_told_apart_even_if_each_seed_prefers_another(seed_and_method, capsys):
    equal = Effects(methods=(-0.5, -0.5, -0.5), seed_and_method=seed_and_method)
    generator = np.random.default_rng(4)
    n_studies, told, significant = 300, 0, 0
    for _ in range(n_studies):
        pairs = compare_methods(scores_of(equal.draw(generator, 10, 40)), "topk_overlap", FACTS).pairs
        told += (pairs["verdict"] == "differ").any()
        significant += (pairs["holm_p"] < 0.05).any()
    with capsys.disabled():
        print(
            f"\nseed x method {seed_and_method}: Holm's p < 5 % in {significant / n_studies:.3f} of studies,", end=" "
        )
        print(f"some pair told apart in {told / n_studies:.3f}")
    assert told / n_studies < 0.05 + 3 * np.sqrt(0.05 * 0.95 / n_studies)
    assert seed_and_method == 0 or significant / n_studies > 0.2


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_ranks_that_contradict_the_scores_are_never_a_win(higher_is_better):
    """A beats B by little on 52 cases and loses by much on 48; C is far behind, which Friedman's test sees."""
    generator = np.random.default_rng(0)
    b = generator.uniform(0.4, 0.6, 100)
    a = b + np.where(np.arange(100) < 52, 0.03, -0.3)
    rows = [
        {"seed": 0, "fold": 0, "split": "test", "sample": str(i), "case": str(i), "method": method, "score": value}
        for i in range(100)
        for method, value in (("a", a[i]), ("b", b[i]), ("c", 0.01))
    ]
    scores = pd.DataFrame(rows)
    if not higher_is_better:
        scores["score"] = 1 - scores["score"]
    found = compare_methods(scores, "score", MetricFacts("Score", higher_is_better))
    pair = found.pairs[(found.pairs["method"] == "a") & (found.pairs["other"] == "b")].iloc[0]
    assert pair["rank_difference"] > 0
    assert pair["rank_biserial"] < 0
    assert pair["holm_p"] < 0.05
    assert pair["verdict"] == "ranks and scores disagree"
    said = conclude(found)
    assert "A ranks above B" not in said
    assert "A has the better mean rank and the worse scores than B" in said
