import itertools

import numpy as np
import pytest
import torch

from xairank.evaluation import TopKOverlap, topk_iou, topk_overlap


def brute_force(values: np.ndarray, mask: np.ndarray) -> float:
    """Mean overlap over every order of the pixels that a sort by value allows."""
    k, pixels = int(mask.sum()), range(mask.size)
    overlaps = []
    for order in itertools.permutations(pixels):
        if all(values[a] >= values[b] for a, b in itertools.pairwise(order)):
            overlaps.append(mask[list(order[:k])].mean())
    return float(np.mean(overlaps))


@pytest.mark.parametrize("levels", [1, 2, 3, 100])
@pytest.mark.parametrize("seed", range(6))
def test_equals_the_mean_over_all_tie_breakings(levels, seed):
    generator = np.random.default_rng([levels, seed])
    values = generator.integers(0, levels, 6).astype(float)
    mask = generator.permutation(np.arange(6) < generator.integers(1, 6))
    found = topk_overlap(torch.tensor(values).view(1, 2, 3), torch.tensor(mask).view(1, 2, 3))
    assert found.item() == pytest.approx(brute_force(values, mask), abs=1e-12)


def test_images_of_a_batch_do_not_mix():
    generator = torch.Generator().manual_seed(0)
    maps, masks = torch.rand(5, 9, 7, generator=generator), torch.rand(5, 9, 7, generator=generator) < 0.3
    whole = topk_overlap(maps, masks)
    single = torch.cat([topk_overlap(maps[i : i + 1], masks[i : i + 1]) for i in range(5)])
    assert torch.equal(whole, single)


def test_a_perfect_map_scores_one_and_its_opposite_zero():
    masks = torch.zeros(1, 4, 4, dtype=torch.bool)
    masks[0, 1:3, 1:3] = True
    assert topk_overlap(masks.float(), masks).item() == 1
    assert topk_overlap(-masks.float(), masks).item() == 0


def test_a_constant_map_scores_chance():
    masks = torch.zeros(2, 10, 10, dtype=torch.bool)
    masks[0, :3], masks[1, 0, 0] = True, True
    torch.testing.assert_close(topk_overlap(torch.zeros(2, 10, 10), masks), torch.tensor([0.3, 0.01]))


def test_a_mask_of_all_pixels_scores_one():
    assert topk_overlap(torch.rand(1, 3, 3), torch.ones(1, 3, 3, dtype=torch.bool)).item() == 1


def test_scale_and_shift_do_not_matter():
    maps, masks = torch.rand(2, 8, 8, dtype=torch.float64), torch.rand(2, 8, 8) < 0.2
    assert torch.equal(topk_overlap(maps, masks), topk_overlap(1e-30 * maps, masks))


def test_iou_is_the_intersection_over_the_union_of_two_sets_of_k_pixels():
    maps, masks = torch.rand(20, 8, 8, dtype=torch.float64), torch.rand(20, 8, 8) < 0.3
    for image in range(20):
        k = int(masks[image].sum())
        top = set(maps[image].flatten().argsort(descending=True)[:k].tolist())
        inside = set(masks[image].flatten().nonzero().flatten().tolist())
        expected = len(top & inside) / len(top | inside)
        assert topk_iou(maps[image : image + 1], masks[image : image + 1]).item() == pytest.approx(expected)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinite_maps_are_an_error_that_names_the_image(bad):
    maps, masks = torch.rand(3, 4, 4), torch.ones(3, 4, 4, dtype=torch.bool)
    maps[1, 2, 2] = bad
    with pytest.raises(ValueError, match=r"NaN or infinite values in the maps \[1\]"):
        topk_overlap(maps, masks)


def test_an_empty_mask_is_an_error_that_names_the_image():
    masks = torch.ones(3, 4, 4, dtype=torch.bool)
    masks[2] = False
    with pytest.raises(ValueError, match=r"no pixel in the masks \[2\]"):
        topk_overlap(torch.rand(3, 4, 4), masks)


@pytest.mark.parametrize(
    ("maps", "masks", "message"),
    [
        (torch.rand(1, 4, 4), torch.ones(1, 4, 5, dtype=torch.bool), "one shape"),
        (torch.rand(4, 4), torch.ones(4, 4, dtype=torch.bool), "one shape"),
        (torch.rand(1, 4, 4), torch.ones(1, 4, 4), "expected bool"),
        (torch.ones(1, 4, 4, dtype=torch.int64), torch.ones(1, 4, 4, dtype=torch.bool), "floating"),
    ],
)
def test_wrong_inputs_are_named(maps, masks, message):
    with pytest.raises(ValueError, match=message):
        topk_overlap(maps, masks)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_any_floating_type_counts_every_pixel(dtype):
    """Half precision counts only to 2,048, and has few values, so many ties."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(2, 224, 224, generator=generator, dtype=torch.float64).to(dtype)
    masks = torch.zeros(2, 224, 224, dtype=torch.bool)
    masks[0, 40:110, 20:91], masks[1, :150, :200] = True, True
    for values, mask, found in zip(maps.double().flatten(1), masks.flatten(1), topk_overlap(maps, masks), strict=True):
        k = int(mask.sum())
        threshold = values.sort(descending=True).values[k - 1]
        above, tied = values > threshold, values == threshold
        share = (tied & mask).sum().item() / tied.sum().item()
        expected = ((above & mask).sum().item() + (k - above.sum().item()) * share) / k
        assert found.item() == pytest.approx(expected, abs=1e-6)


def test_chance_is_the_mean_over_random_maps():
    masks = torch.zeros(1, 20, 20, dtype=torch.bool)
    masks[0, 3:9, 4:12] = True
    generator = torch.Generator().manual_seed(0)
    scores = [TopKOverlap()(torch.rand(1, 20, 20, generator=generator), masks).item() for _ in range(2000)]
    chance = TopKOverlap().chance(masks)
    assert chance.item() == 48 / 400
    assert sum(scores) / len(scores) == pytest.approx(chance.item(), abs=0.005)
