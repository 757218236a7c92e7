import numpy as np
import torch
from hypothesis import given
from sklearn.metrics import jaccard_score

from tests.evaluation.cases import pairs, random_cases, tied_cases
from xairank.evaluation import best_threshold_iou, topk_iou


def brute_force(values: np.ndarray, mask: np.ndarray) -> float:
    """Every value of the map as threshold, by scikit-learn."""
    return max(float(jaccard_score(mask.ravel(), (values >= t).ravel())) for t in np.unique(values))


@given(case=tied_cases())
def test_every_threshold_by_brute_force(case):
    np.testing.assert_allclose(best_threshold_iou(*case), [brute_force(*pair) for pair in pairs(*case)], atol=1e-12)


def test_no_fixed_number_of_pixels_does_better():
    maps, masks = random_cases(20)
    maps = maps + masks
    assert (best_threshold_iou(maps, masks) >= topk_iou(maps, masks)).all()
    noisy = maps + 0.8 * torch.rand(maps.shape, generator=torch.Generator().manual_seed(0))
    assert (best_threshold_iou(noisy, masks) > topk_iou(noisy, masks)).any()
