import numpy as np
import pytest
import torch
from hypothesis import given
from scipy.stats import mannwhitneyu
from sklearn.metrics import roc_auc_score

from tests.evaluation.cases import pairs, random_cases, tied_cases
from xairank.evaluation import roc_auc


def reference(values: np.ndarray, mask: np.ndarray) -> float:
    """Of scikit-learn, which has no value where there is one class."""
    return 0.5 if mask.all() else float(roc_auc_score(mask.ravel(), values.ravel()))


@given(case=tied_cases())
def test_is_that_of_scikit_learn_with_ties(case):
    np.testing.assert_allclose(roc_auc(*case), [reference(*pair) for pair in pairs(*case)], atol=1e-12)


@pytest.mark.parametrize("levels", [None, 300])
def test_is_that_of_scikit_learn_at_full_size(levels):
    maps, masks = random_cases(3, side=224)
    if levels:
        maps = (maps * levels).floor()
    np.testing.assert_allclose(roc_auc(maps, masks), [reference(*pair) for pair in pairs(maps, masks)], atol=1e-12)


def test_is_the_statistic_of_mann_and_whitney():
    maps, masks = random_cases(1)
    inside, outside = maps[masks].numpy(), maps[~masks].numpy()
    expected = mannwhitneyu(inside, outside).statistic / (len(inside) * len(outside))
    assert roc_auc(maps, masks).item() == pytest.approx(expected, abs=1e-12)


def test_the_opposite_map_has_the_opposite_area():
    maps, masks = random_cases(5)
    torch.testing.assert_close(roc_auc(-maps, masks), 1 - roc_auc(maps, masks))
