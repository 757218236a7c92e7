import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import kstest

from xairank.attribution.path import BASELINES, RULES, UNIFORM_DRAWS


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
@pytest.mark.parametrize("n_steps", [2, 3, 25, 200])
def test_weights_sum_to_one_and_positions_lie_on_the_path(rule, n_steps):
    positions, weights = rule(n_steps)
    assert len(positions) == len(weights) == n_steps
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    assert (weights > 0).all()
    assert (np.diff(positions) > 0).all()
    assert positions[0] >= 0
    assert positions[-1] <= 1


# A rule's degree of exactness is its definition: polynomials up to it are integrated without error, the next is not.
@pytest.mark.parametrize(("rule", "degree"), [("gauss_legendre", 7), ("midpoint", 1), ("trapezoid", 1)])
def test_integrates_polynomials_up_to_its_degree(rule, degree):
    positions, weights = RULES[rule](4)
    for power in range(degree + 1):
        assert weights @ positions**power == pytest.approx(1 / (power + 1), abs=1e-12)
    assert abs(weights @ positions ** (degree + 1) - 1 / (degree + 2)) > 1e-6


def test_trapezoid_of_one_point_is_an_error():
    with pytest.raises(ValueError, match="at least 2 points"):
        RULES["trapezoid"](1)


def test_more_gauss_legendre_points_than_memory_allows_is_an_error():
    with pytest.raises(ValueError, match="n_steps=100000: gauss_legendre takes at most 4096 points; set rule=midpoint"):
        RULES["gauss_legendre"](100_000)


@pytest.mark.parametrize("baseline", BASELINES.values(), ids=BASELINES.keys())
def test_baselines_have_the_images_shape(baseline):
    images = torch.rand(2, 3, 5, 7, dtype=torch.float64)
    for draw in baseline(images):
        assert draw.expand_as(images).dtype == images.dtype
        assert draw.shape[0] in (1, 2)


def test_baselines_have_their_colour():
    images = torch.rand(2, 3, 5, 7)
    assert (BASELINES["black"](images)[0] == 0).all()
    assert (BASELINES["white"](images)[0] == 1).all()
    torch.testing.assert_close(BASELINES["mean_color"](images)[0][1, 2, 4, 6], images[1, 2].mean())


def test_blurred_is_a_gaussian_filter():
    images = torch.rand(1, 1, 64, 48, dtype=torch.float64)
    # scipy's "mirror" is torchvision's "reflect"; both cut the kernel at three standard deviations.
    expected = gaussian_filter(images[0, 0].numpy(), sigma=4, truncate=3, mode="mirror")
    np.testing.assert_allclose(BASELINES["blurred"](images)[0][0, 0].numpy(), expected, atol=1e-6)


def test_uniform_is_the_same_noise_for_every_image():
    draws = BASELINES["uniform"](torch.zeros(3, 3, 32, 32))
    again = BASELINES["uniform"](torch.ones(1, 3, 32, 32))
    assert len(draws) == UNIFORM_DRAWS
    for draw, same in zip(draws, again, strict=True):
        assert torch.equal(draw, same)
        assert kstest(draw.flatten().numpy(), "uniform").pvalue > 0.01
    assert not torch.equal(draws[0], draws[1])
