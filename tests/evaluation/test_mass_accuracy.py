import numpy as np
import pytest
import quantus
import torch
from hypothesis import given

from tests.evaluation.cases import pairs, random_cases, tied_cases
from xairank.evaluation import mass_accuracy


def brute_force(values: np.ndarray, mask: np.ndarray) -> float:
    if not values.any():
        return float(mask.mean())
    scaled = values / values.max()
    return sum(scaled[mask].tolist()) / sum(scaled.ravel().tolist())


@given(case=tied_cases())
def test_by_brute_force(case):
    np.testing.assert_allclose(mass_accuracy(*case), [brute_force(*pair) for pair in pairs(*case)], rtol=1e-12)


def quantus_scores(maps, masks):
    metric = quantus.RelevanceMassAccuracy(disable_warnings=True)
    return metric.evaluate_batch(a_batch=maps.numpy()[:, None], s_batch=masks.numpy()[:, None])


def test_is_that_of_quantus():
    maps, masks = random_cases(50)
    np.testing.assert_allclose(mass_accuracy(maps**4, masks), quantus_scores(maps**4, masks), rtol=1e-12)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_quantus_divides_by_the_total_of_a_zero_map():
    _, masks = random_cases(5)
    zeros = torch.zeros(masks.shape, dtype=torch.float64)
    assert np.isnan(quantus_scores(zeros, masks)).all()
    np.testing.assert_allclose(mass_accuracy(zeros, masks), masks.double().mean(dim=(1, 2)))


def test_quantus_gives_signed_maps_shares_that_are_none():
    maps, masks = torch.tensor([[[3.0, -2.0]]], dtype=torch.float64), torch.tensor([[[True, False]]])
    assert np.array(quantus_scores(maps, masks)) == [3]
    with pytest.raises(ValueError, match=r"negative values in the maps \[0\]"):
        mass_accuracy(maps, masks)
