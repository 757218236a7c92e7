import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from xairank.attribution import Saliency
from xairank.attribution.controls import Constant, Random
from xairank.attribution.smoothing import smoothed


@pytest.mark.parametrize("sigma", [0.5, 2, 8, 32])
def test_it_is_scipys_gaussian_filter(sigma):
    maps = torch.rand(3, 40, 56, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = np.stack([gaussian_filter(one, sigma, mode="reflect") for one in maps.numpy()])
    np.testing.assert_allclose(smoothed(maps, sigma).numpy(), expected, atol=1e-12)


def test_no_blur_changes_nothing_and_mass_is_kept():
    maps = torch.rand(2, 30, 30, dtype=torch.float64)
    assert smoothed(maps, 0) is maps
    torch.testing.assert_close(smoothed(maps, 5).sum(dim=(1, 2)), maps.sum(dim=(1, 2)))


def test_a_constant_map_stays_one_tie_also_beside_others():
    maps = torch.stack([torch.full((33, 47), 0.1), torch.rand(33, 47)])
    blurred = smoothed(maps, 7)
    assert len(blurred[0].unique()) == 1
    assert not torch.equal(blurred[1], maps[1])


def test_methods_take_it_as_an_option():
    images, targets = torch.rand(2, 3, 24, 24), torch.tensor([0, 0])
    raw, blurred = (Random(smooth=sigma)(_Nothing(), images, targets) for sigma in (0, 4))
    torch.testing.assert_close(blurred, smoothed(raw, 4))
    assert len(Constant(smooth=4)(_Nothing(), images, targets).unique()) == 1


@pytest.mark.parametrize("smooth", [-1, "much", float("inf"), True])
def test_an_impossible_blur_is_named(smooth):
    with pytest.raises(ValueError, match=f"smooth={smooth} is not allowed: expected a number of pixels"):
        Saliency(smooth=smooth)


class _Nothing(torch.nn.Module):
    def forward_features(self, images):
        return images

    def forward_head(self, features):
        return features.mean(dim=(2, 3))
