import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from sklearn.metrics import average_precision_score

from tests.evaluation.cases import pairs, random_cases, tied_cases
from xairank.evaluation import AveragePrecision, average_precision


def reference(values: np.ndarray, mask: np.ndarray) -> float:
    return float(average_precision_score(mask.ravel(), values.ravel()))


@given(case=tied_cases())
def test_is_that_of_scikit_learn_with_ties(case):
    np.testing.assert_allclose(average_precision(*case), [reference(*pair) for pair in pairs(*case)], atol=1e-12)


@pytest.mark.parametrize("levels", [None, 300])
def test_is_that_of_scikit_learn_at_full_size(levels):
    maps, masks = random_cases(3, side=224)
    if levels:
        maps = (maps * levels).floor()
    np.testing.assert_allclose(
        average_precision(maps, masks), [reference(*pair) for pair in pairs(maps, masks)], atol=1e-12
    )


@pytest.mark.parametrize(("k", "n"), [(1, 1), (1, 4), (3, 6), (5, 6), (6, 6)])
def test_chance_is_the_mean_over_every_order(k, n):
    masks = torch.arange(n).view(1, 1, n) < k
    orders = torch.tensor(list(itertools.permutations(range(n))), dtype=torch.float64)[:, None]
    scores = average_precision(orders, masks.expand(len(orders), -1, -1))
    assert AveragePrecision().chance(masks).item() == pytest.approx(scores.mean().item(), abs=1e-12)
