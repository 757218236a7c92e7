"""SmoothGrad and VarGrad share their noise; their maps are tested in files of their own."""

import pytest
import torch

from tests.attribution.small_networks import relu_network
from xairank.attribution import SmoothGrad, VarGrad
from xairank.attribution.forward_pass import ForwardPass


def test_noise_has_the_share_of_each_image_s_range_and_no_other_statistics():
    images = torch.rand(2, 3, 32, 32, dtype=torch.float64) * torch.tensor([1.0, 0.1]).view(2, 1, 1, 1)
    forward = ForwardPass(relu_network(), images, None, 8)
    samples = SmoothGrad(noise=0.2).noisy(forward)
    for image in range(2):
        noise = samples(image, slice(0, 20)) - images[image]
        spread = 0.2 * float(images[image].max() - images[image].min())
        assert float(noise.std()) == pytest.approx(spread, rel=0.02)
        assert float(noise.mean()) == pytest.approx(0, abs=0.02 * spread)
        torch.testing.assert_close(samples(image, slice(7, 9)), samples(image, slice(0, 20))[7:9], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (SmoothGrad, {"n_samples": 0}, "n_samples=0 is not allowed: expected a whole number of at least 1"),
        (VarGrad, {"n_samples": 1}, "n_samples=1 is not allowed: expected a whole number of at least 2"),
        (SmoothGrad, {"noise": 0}, "noise=0 is not allowed: expected a number greater than 0"),
        (SmoothGrad, {"seed": -1}, "seed=-1 is not allowed: expected a whole number of at least 0"),
        (SmoothGrad, {"score": "loss"}, "score=loss is not allowed"),
    ],
)
def test_impossible_options_are_named(method, options, message):
    with pytest.raises(ValueError, match=message):
        method(**options)
