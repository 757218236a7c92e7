import pytest
import torch

from audit.position import TopKByPosition
from xairank.evaluation import topk_overlap


def brute_force(values, mask):
    order = sorted(range(len(values)), key=lambda place: (-values[place], place))
    k = sum(mask)
    return sum(mask[place] for place in order[:k]) / k


@pytest.mark.parametrize("seed", range(5))
def test_the_first_of_tied_pixels_count(seed):
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randint(0, 3, (4, 6, 7), generator=generator).double()
    masks = torch.rand(4, 6, 7, generator=generator) < 0.3
    expected = [
        brute_force(values, mask)
        for values, mask in zip(maps.flatten(1).tolist(), masks.flatten(1).tolist(), strict=True)
    ]
    assert TopKByPosition()(maps, masks).tolist() == pytest.approx(expected)


def test_without_ties_it_is_the_overlap():
    maps = torch.randperm(48, generator=torch.Generator().manual_seed(0)).view(1, 6, 8).double()
    masks = torch.zeros(1, 6, 8, dtype=torch.bool)
    masks[0, 1:3, 2:6] = True
    assert TopKByPosition()(maps, masks).tolist() == topk_overlap(maps, masks).tolist()


def test_of_a_constant_map_the_first_row_counts():
    masks = torch.zeros(2, 4, 4, dtype=torch.bool)
    masks[0, 0, :3] = True
    masks[1, 3, :3] = True
    assert TopKByPosition()(torch.zeros(2, 4, 4), masks).tolist() == [1.0, 0.0]
