import numpy as np
import pytest
import torch
from hypothesis import given

from tests.evaluation.cases import pairs, random_cases, tied_cases
from xairank.evaluation import MassDistance, mass_accuracy, mass_distance


def brute_force(values: np.ndarray, mask: np.ndarray) -> float:
    """Every pixel to every mask pixel."""
    defect = np.argwhere(mask)
    density = np.ones(values.shape) if not values.any() else values / values.max()
    diagonal = max(np.hypot(values.shape[0] - 1, values.shape[1] - 1), 1)
    work = sum(
        density[tuple(pixel)] * min(np.hypot(*(pixel - other)) for other in defect)
        for pixel in np.argwhere(values > -1)
    )
    return float(work / density.sum() / diagonal)


@given(case=tied_cases())
def test_by_brute_force(case):
    np.testing.assert_allclose(mass_distance(*case), [brute_force(*pair) for pair in pairs(*case)], atol=1e-12)


def test_is_the_mean_over_pixels_drawn_from_the_map():
    maps, masks = random_cases(1)
    drawn = np.random.default_rng(0).choice(24 * 24, 4000, p=(maps / maps.sum()).flatten().numpy())
    defect = np.argwhere(masks[0].numpy())
    spots = np.stack(np.unravel_index(drawn, (24, 24)), axis=1)
    distances = np.hypot(*(spots[:, None] - defect).transpose(2, 0, 1)).min(axis=1) / np.hypot(23, 23)
    assert mass_distance(maps, masks).item() == pytest.approx(distances.mean(), abs=5 * distances.std() / 4000**0.5)


def test_the_opposite_corner_is_the_farthest_at_any_size():
    for height, width in ((2, 2), (10, 30), (1, 7)):
        masks = torch.zeros(1, height, width, dtype=torch.bool)
        maps = torch.zeros(1, height, width)
        masks[0, 0, 0], maps[0, -1, -1] = True, 1.0
        assert mass_distance(maps, masks).item() == pytest.approx(1)


def test_a_near_miss_costs_less_than_a_far_one_as_no_overlap_tells():
    masks = torch.zeros(2, 20, 20, dtype=torch.bool)
    maps = torch.zeros(2, 20, 20)
    masks[:, 5:8, 5:8] = True
    maps[0, 8, 6] = maps[1, 19, 19] = 1.0
    near, far = mass_distance(maps, masks)
    assert mass_accuracy(maps, masks).tolist() == [0, 0]
    assert near < 0.05 < far


def test_it_is_a_loss():
    assert not MassDistance.higher_is_better
