import pytest
import torch
from scipy import stats

from xairank.attribution.controls import Random
from xairank.evaluation import TopKOverlap

IMAGES = torch.rand(6, 3, 24, 24, generator=torch.Generator().manual_seed(1))


def test_each_image_has_a_map_of_its_own_however_batches_are_cut():
    maps = Random().from_images(IMAGES)
    assert len({tuple(one.flatten()[:5].tolist()) for one in maps}) == len(IMAGES)
    again = torch.cat([Random().from_images(part) for part in IMAGES.split(4)])
    assert torch.equal(maps, again)


def test_other_seeds_draw_other_maps_and_the_global_seed_does_not_matter():
    torch.manual_seed(1)
    maps = Random(seed=0).from_images(IMAGES)
    torch.manual_seed(2)
    assert torch.equal(maps, Random(seed=0).from_images(IMAGES))
    assert not torch.equal(maps, Random(seed=1).from_images(IMAGES))


def test_values_are_uniform():
    values = Random().from_images(IMAGES).flatten().numpy()
    assert stats.kstest(values, "uniform").pvalue > 0.01


def test_its_mean_overlap_is_chance():
    masks = torch.zeros(6, 24, 24, dtype=torch.bool)
    masks[:, 4:16, 6:18] = True  # a quarter of the image
    scores = torch.cat(
        [TopKOverlap()(Random(seed).from_images(IMAGES).double(), masks) for seed in range(60)]
    )  # 360 draws, each with a standard deviation of about 0.03
    assert scores.mean().item() == pytest.approx(0.25, abs=4 * 0.03 / 360**0.5)


def test_no_image_has_no_map():
    assert Random().from_images(IMAGES[:0]).shape == (0, 24, 24)


@pytest.mark.parametrize("seed", [-1, 0.5, "a", True])
def test_a_seed_that_is_none_is_named(seed):
    with pytest.raises(ValueError, match=f"seed={seed} is not allowed"):
        Random(seed=seed)
