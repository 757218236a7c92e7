"""Wilcoxon's exact p-value, against all signs written out and against SciPy."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from xairank.ranking.pairs import wilcoxon


def over_all_signs(values):
    """The p-value by its definition: how many choices of signs are at least as far out on one side, twice."""
    values = values[values != 0]
    ranks = stats.rankdata(np.abs(values))
    found = ranks[values > 0].sum()
    sums = np.array([ranks[np.array(signs)].sum() for signs in product([False, True], repeat=len(values))])
    return min(1, 2 * min((sums <= found + 1e-9).mean(), (sums >= found - 1e-9).mean()))


@pytest.mark.parametrize("n", [1, 2, 3, 6, 9, 11])
@pytest.mark.parametrize("seed", range(4))
def test_with_ties_and_zeros_it_counts_all_signs(n, seed):
    values = np.random.default_rng(seed).integers(-3, 6, n) / 10
    if values.any():
        assert wilcoxon(values) == pytest.approx(over_all_signs(values), abs=1e-12)


@pytest.mark.parametrize("n", [5, 13, 14, 30, 50, 51, 200])
def test_without_ties_it_is_that_of_scipy(n):
    values = np.random.default_rng(n).normal(0.2, 1, n)
    assert wilcoxon(values) == pytest.approx(stats.wilcoxon(values).pvalue, rel=1e-9)


def test_no_case_that_differs_is_no_evidence():
    assert wilcoxon(np.zeros(7)) == 1
    assert wilcoxon(np.array([])) == 1


def test_the_sign_does_not_matter_and_more_of_one_sign_is_more_evidence():
    values = np.array([0.1, 0.1, 0.2, -0.1, 0.3, 0.3, 0.2])
    assert wilcoxon(values) == wilcoxon(-values)
    assert wilcoxon(np.abs(values)) == 2 / 2**7 < wilcoxon(values)
