import itertools

import numpy as np
import torch
from hypothesis import given

from tests.evaluation.cases import pairs, random_cases, tied_cases
from xairank.evaluation import component_overlap, topk_overlap


def components(mask: np.ndarray) -> list[set[tuple[int, int]]]:
    """Pixels that touch, also at a corner, found by growing one pixel after the other."""
    left, found = {tuple(pixel) for pixel in np.argwhere(mask).tolist()}, []
    while left:
        grown, edge = set(), [left.pop()]
        while edge:
            row, column = edge.pop()
            grown.add((row, column))
            near = {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= near
            edge += near
        found.append(grown)
    return found


def brute_force(values: np.ndarray, mask: np.ndarray) -> float:
    """The mean recall of the components by the pixels at or above the K-th value, each at its chance to be drawn."""
    k = int(mask.sum())
    threshold = np.sort(values, axis=None)[-k]
    drawn = (k - (values > threshold).sum()) / (values == threshold).sum()
    probability = np.where(values > threshold, 1.0, np.where(values == threshold, drawn, 0.0))
    return float(np.mean([np.mean([probability[pixel] for pixel in part]) for part in components(mask)]))


@given(case=tied_cases())
def test_by_brute_force_with_ties(case):
    np.testing.assert_allclose(component_overlap(*case), [brute_force(*pair) for pair in pairs(*case)], atol=1e-12)


def test_is_the_mean_over_all_tie_breakings():
    values, mask = np.array([[2.0, 1, 1], [1, 0, 1]]), np.array([[True, False, True], [False, False, True]])
    scores = []
    for order in itertools.permutations(range(6)):
        if all(values.flat[a] >= values.flat[b] for a, b in itertools.pairwise(order)):
            top = {tuple(np.unravel_index(place, (2, 3))) for place in order[:3]}
            scores.append(np.mean([len(top & part) / len(part) for part in components(mask)]))
    found = component_overlap(torch.tensor(values)[None], torch.tensor(mask)[None])
    np.testing.assert_allclose(found, np.mean(scores))


def test_one_component_is_the_topk_overlap():
    maps, masks = random_cases(1)[0], torch.zeros(1, 24, 24, dtype=torch.bool)
    masks[0, 3:9, 4:12] = True
    torch.testing.assert_close(component_overlap(maps, masks), topk_overlap(maps, masks))


def test_a_small_defect_that_is_missed_counts_as_much_as_a_large_one():
    masks = torch.zeros(1, 20, 20, dtype=torch.bool)
    masks[0, :10, :10], masks[0, 15, 15] = True, True
    maps = torch.zeros(1, 20, 20)
    maps[0, :10, :11] = 1.0
    assert component_overlap(maps, masks).item() < 0.5 < 0.9 < topk_overlap(maps, masks).item()


def test_pixels_that_touch_at_a_corner_are_one_defect():
    masks, maps = torch.eye(4, dtype=torch.bool)[None], torch.zeros(1, 4, 4)
    maps[0, 0, 0] = maps[0, 3, 0] = maps[0, 2, 0] = maps[0, 1, 0] = 1.0
    assert component_overlap(maps, masks).item() == 0.25
