import numpy as np
import pytest
from scipy import stats

from tests.ranking.studies import Effects, measures
from xairank.ranking.bootstrap import (
    Resamples,
    _every,
    _moments,
    bootstrap_interval,
    detectable_difference,
    draw_resamples,
    rate_interval,
    two_way_p,
)

generator = np.random.default_rng(0)


def expand(values, resamples, row):
    """The matrix that a resample stands for, row by row and column by column."""
    seeds, images = (
        np.repeat(np.arange(counts.shape[1]), counts[row].astype(int)) for counts in (resamples.seeds, resamples.images)
    )
    return values[np.ix_(seeds, images)]


def test_resamples_draw_as_many_seeds_and_images_as_there_are():
    resamples = draw_resamples(5, 9, 100)
    assert (resamples.seeds.sum(axis=1) == 5).all()
    assert (resamples.images.sum(axis=1) == 9).all()
    assert resamples.images.mean(axis=0) == pytest.approx(1, abs=0.5)


def test_mean_of_each_resample_is_that_of_the_matrix_it_stands_for():
    values = generator.random((4, 7))
    values[generator.random((4, 7)) < 0.2] = np.nan
    values[:, 0] = 0.5
    resamples = draw_resamples(4, 7, 50)
    found = _moments(values, resamples).mean
    for row in range(50):
        seed_means = [one[np.isfinite(one)] for one in expand(values, resamples, row)]
        expected = np.mean([one.mean() for one in seed_means if len(one)])
        assert found[row] == pytest.approx(expected)


def test_variance_of_a_full_matrix_is_that_of_the_analysis_of_variance():
    # Searle, Casella and McCulloch 1992, section 4.3: mean squares of a two-way crossed design without replication.
    for _ in range(20):
        values = generator.normal(size=(5, 8)) + generator.normal(size=(5, 1)) + generator.normal(size=(1, 8))
        n_seeds, n_images = values.shape
        seed_square = n_images * values.mean(axis=1).var(ddof=1)
        image_square = n_seeds * values.mean(axis=0).var(ddof=1)
        rest = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
        rest_square = (rest**2).sum() / ((n_seeds - 1) * (n_images - 1))
        of_seeds = max(seed_square - rest_square, 0) / n_images
        of_images = max(image_square - rest_square, 0) / n_seeds
        expected = of_seeds / n_seeds + of_images / n_images + rest_square / (n_seeds * n_images)
        assert _moments(values, _every(values.shape)).variance[0] == pytest.approx(expected)


def test_variance_of_a_resample_is_that_of_the_matrix_it_stands_for():
    values = generator.random((4, 7))
    resamples = draw_resamples(4, 7, 30)
    found = _moments(values, resamples).variance
    for row in range(30):
        matrix = expand(values, resamples, row)
        assert found[row] == pytest.approx(_moments(matrix, _every(matrix.shape)).variance[0], abs=1e-15)


def test_variance_is_right_on_average_where_seeds_missed_images():
    truth, estimates = [], []
    for _ in range(3000):
        values = 0.3 * generator.normal(size=(6, 1)) + 0.5 * generator.normal(size=(1, 12))
        values = values + 0.4 * generator.normal(size=(6, 12))
        values[generator.random((6, 12)) < 0.25] = np.nan
        found = _moments(values, _every(values.shape))
        truth.append(found.mean[0])
        estimates.append(found.variance[0])
    assert np.mean(estimates) == pytest.approx(np.var(truth), rel=0.08)


def test_one_seed_is_students_interval_over_images():
    values = generator.normal(size=(1, 400))
    low, high = stats.t.interval(0.95, 399, values.mean(), stats.sem(values[0]))
    found = bootstrap_interval(values, draw_resamples(1, 400, 5000))
    assert found.low == pytest.approx(low, abs=0.015)
    assert found.high == pytest.approx(high, abs=0.015)
    rates = generator.random((1, 400))
    mean, error = rates.mean(), stats.sem(rates[0])
    logit = np.log(mean / (1 - mean)) + np.array([-1, 1]) * stats.t.ppf(0.975, 399) * error / (mean * (1 - mean))
    assert rate_interval(rates)[1:] == pytest.approx(1 / (1 + np.exp(-logit)))


def test_p_of_one_seed_is_that_of_students_test_over_images():
    differences = generator.normal(0.2, 1, size=(1, 25))
    assert two_way_p(differences) == pytest.approx(stats.ttest_1samp(differences[0], 0).pvalue)


def test_p_counts_seeds_not_images_where_only_seeds_differ():
    differences = np.repeat(generator.normal(0.5, 1, size=(6, 1)), 30, axis=1)
    assert two_way_p(differences) == pytest.approx(stats.ttest_1samp(differences[:, 0], 0).pvalue)
    assert two_way_p(np.zeros((3, 7))) == 1
    assert two_way_p(np.ones((3, 7))) == 0


def test_seeds_that_differ_widen_the_interval():
    images = generator.normal(size=(1, 30))
    alike, apart = (images + spread * np.linspace(-1, 1, 5)[:, None] for spread in (0.01, 1.0))
    resamples = draw_resamples(5, 30)
    narrow, wide = (bootstrap_interval(values, resamples) for values in (alike, apart))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_limits_stay_where_the_mean_can_be():
    values = np.zeros((3, 12))
    values[:, 0] = 0.9
    found = bootstrap_interval(values, draw_resamples(3, 12), 0, 1)
    assert 0 <= found.low <= found.mean <= found.high <= 1
    found = rate_interval(values)
    assert 0 < found.low < found.mean < found.high < 1


@pytest.mark.parametrize("n_images", [1, 6, 16])
def test_a_rate_of_one_or_none_has_the_exact_binomial_limit(n_images):
    exact = stats.binomtest(n_images, n_images).proportion_ci(0.95, "exact")
    assert rate_interval(np.ones((4, n_images))) == pytest.approx((1, exact.low, 1))
    assert rate_interval(np.zeros((4, n_images))) == pytest.approx((0, 0, 1 - exact.low))


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (4, 6)])
def test_no_interval_and_no_warning_where_nothing_varies(shape):
    values = np.full(shape, 0.3)
    for found in (bootstrap_interval(values, draw_resamples(*shape)), rate_interval(values)):
        assert found.mean == pytest.approx(0.3)
        assert np.isnan([found.low, found.high]).all()


def test_one_image_tells_nothing_of_others_however_many_seeds():
    values = generator.random((8, 1))
    assert np.isnan(bootstrap_interval(values, draw_resamples(8, 1)).low)


def test_a_seed_without_any_image_is_left_out():
    values = generator.random((4, 9))
    values[2] = np.nan
    others = np.delete(values, 2, axis=0)
    assert rate_interval(values)[0] == pytest.approx(others.mean())
    found = bootstrap_interval(values, Resamples(np.eye(4) * 4, np.ones((4, 9))))
    assert np.isfinite(found).all()


@pytest.mark.slow
@pytest.mark.parametrize("n_images", [16, 70])
@pytest.mark.parametrize(
    "effects",
    [Effects(), Effects(methods=(1.0, -1.2, -0.9), image_and_method=0.5), Effects(seed=0.8, seed_and_method=0.6)],
    ids=["balanced", "clear winner", "seeds dominate"],
)
def test_intervals_cover_the_truth(effects, n_images, capsys):
    truth = effects.truth()
    resamples = draw_resamples(10, n_images)
    studies = np.random.default_rng(1)
    hits = {name: np.zeros(2) for name in truth}
    n_studies = 1000
    for _ in range(n_studies):
        for name, values in measures(effects.draw(studies, 10, n_images)).items():
            for method in range(2):
                found = (
                    bootstrap_interval(values[method], resamples, 0, 1)
                    if name == "overlap"
                    else rate_interval(values[method])
                )
                hits[name][method] += found.low <= truth[name][method] <= found.high
    coverage = {name: (counts / n_studies).tolist() for name, counts in hits.items()}
    with capsys.disabled():
        print(f"\ncoverage, 10 seeds x {n_images} images, {effects}: {coverage}")
    assert 0.93 <= min(coverage["overlap"]) <= max(coverage["overlap"]) <= 0.97
    assert min(coverage["rank"] + coverage["win"]) >= 0.93
    # A win rate of 0.03 on 16 images is a matter of whole wins; its interval errs to the long side.
    assert max(coverage["rank"] + coverage["win"]) <= (0.97 if effects == Effects() else 0.99)


def test_a_detectable_difference_is_found_in_four_of_five_studies():
    own = np.random.default_rng(1)

    def study(mean):
        shape = (5, 20)
        return mean + 0.1 * own.normal(size=(5, 1)) + 0.2 * own.normal(size=(1, 20)) + 0.2 * own.normal(size=shape)

    mean = np.median([detectable_difference(study(0)) for _ in range(200)])
    found = np.mean([two_way_p(study(mean)) < 0.05 for _ in range(400)])
    assert found == pytest.approx(0.8, abs=0.08)
