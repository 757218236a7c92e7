import numpy as np
import pytest
import quantus
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.cases import pairs, random_cases, tied_cases
from xairank.evaluation import PointingGame, pointing_game


def brute_force(values: np.ndarray, mask: np.ndarray, tolerance: float) -> float:
    """The share of the maxima that have a mask pixel within reach."""
    maxima, defect = np.argwhere(values == values.max()), np.argwhere(mask)
    return float(np.mean([min(np.hypot(*(one - other)) for other in defect) <= tolerance for one in maxima]))


@given(case=tied_cases(), tolerance=st.sampled_from([0, 0.99, 1, 2**0.5, 2, 3.3]))
def test_by_brute_force_with_ties(case, tolerance):
    expected = [brute_force(values, mask, tolerance) for values, mask in pairs(*case)]
    np.testing.assert_allclose(pointing_game(*case, tolerance), expected)


def test_the_reach_is_a_disc_around_the_mask():
    masks = torch.zeros(1, 11, 11, dtype=torch.bool)
    masks[0, 5, 5] = True
    for tolerance, pixels in ((0, 1), (0.5, 1), (1, 5), (1.5, 9), (2, 13), (5, 81)):
        assert PointingGame(tolerance).chance(masks).item() == pytest.approx(pixels / 121)


def quantus_scores(maps, masks, **options):
    metric = quantus.PointingGame(disable_warnings=True, **options)
    return np.array(metric.evaluate_batch(a_batch=maps.numpy()[:, None], s_batch=masks.numpy()[:, None]))


def test_is_that_of_quantus_where_one_pixel_is_the_maximum():
    maps, masks = random_cases(200)
    scores = pointing_game(maps, masks)
    assert 0 < scores.mean() < 1
    np.testing.assert_array_equal(scores, quantus_scores(maps, masks))


def test_quantus_scores_a_map_without_evidence_as_a_hit():
    """Any tied maximum on the mask is a hit there; a zero map, as of a dead gradient, is so everywhere."""
    _, masks = random_cases(20)
    zeros = torch.zeros(masks.shape, dtype=torch.float64)
    assert quantus_scores(zeros, masks).all()
    np.testing.assert_allclose(pointing_game(zeros, masks), masks.double().mean(dim=(1, 2)))


@pytest.mark.filterwarnings("ignore")
def test_quantus_scores_an_empty_mask_as_a_hit():
    maps, masks = random_cases(1)[0], torch.zeros(1, 24, 24, dtype=torch.bool)
    assert quantus_scores(maps, masks).all()  # NaN, written into an array of bool
    with pytest.raises(ValueError, match=r"no pixel in the masks \[0\]"):
        pointing_game(maps, masks)


@pytest.mark.parametrize("tolerance", [-1, float("nan"), float("inf"), "2", True, None])
def test_a_tolerance_that_is_no_distance_is_named(tolerance):
    with pytest.raises(ValueError, match=r"^tolerance: found .*, expected a number of pixels, 0 or more$"):
        PointingGame(tolerance)
    with pytest.raises(ValueError, match=r"^tolerance: found"):
        pointing_game(*random_cases(1), tolerance)
