"""A copy whose forward pass is right and whose gradient is wrong is refused; one that differs by rounding is not."""

import logging

import pytest
import torch
from torch import nn

from tests.attribution.networks import ENCODERS, images_and_targets, likely_targets, network
from xairank.attribution import Saliency, freeze
from xairank.attribution.acceleration import comparison, layers, squeeze_excitation
from xairank.attribution.acceleration.kernels import Kernels, compiled_kernels


def is_folded(frozen):
    return not isinstance(frozen._halves["prefix"], nn.Identity)


@pytest.mark.parametrize("encoder", [*ENCODERS, "resnet50", "efficientnet_b1"])
def test_right_copies_are_kept_whatever_the_kinks(encoder):
    for seed in range(3):
        images = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(seed))
        assert is_folded(freeze(network(encoder), images)), seed


def wrong_transpose(monkeypatch):
    right = layers._transposed
    monkeypatch.setattr(layers, "_transposed", lambda layer, gradient, size: right(layer, gradient, size).neg())


def wrong_by_a_percent(monkeypatch):
    right = layers._transposed
    monkeypatch.setattr(layers, "_transposed", lambda layer, gradient, size: right(layer, gradient, size) * 1.01)


def missing_term(monkeypatch):
    zero = lambda self, of_logits: torch.zeros_like(of_logits)  # noqa: E731 - the mean's share of the gradient
    monkeypatch.setattr(squeeze_excitation.Gates, "pixel_gradient", zero)


def no_gradient(monkeypatch):
    monkeypatch.setattr(layers, "_transposed", lambda layer, gradient, size: gradient.new_zeros(
        gradient.shape[0], layer.original.in_channels, *size
    ))  # fmt: skip


@pytest.mark.parametrize("mistake", [wrong_transpose, wrong_by_a_percent, missing_term, no_gradient])
def test_a_wrong_gradient_is_found_and_the_model_explained_unfolded(monkeypatch, caplog, mistake):
    model, (images, _) = network("efficientnet_b0"), images_and_targets(2)
    targets = likely_targets(model, images)
    expected = Saliency()(model, images, targets)
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        mistake(patch)
        frozen = freeze(model, images)
        assert "folding and splitting change the gradient at the image by" in caplog.text
        assert not is_folded(frozen)
        torch.testing.assert_close(Saliency()(frozen, images, targets), expected, rtol=1e-3, atol=1e-6)


def derivative_of_silu(monkeypatch):
    right = Kernels.silu

    def wrong(self, inputs, derivative):
        value = right(self, inputs, derivative)
        derivative.mul_(1.001)
        return value

    monkeypatch.setattr(Kernels, "silu", wrong)


def mean_left_out_of_chain(monkeypatch):
    right = Kernels.chain
    monkeypatch.setattr(Kernels, "chain", lambda self, g, scale, shift, d, r: right(self, g, scale, 0 * shift, d, r))


def factor_left_out_of_gates(monkeypatch):
    """In the code around the kernels, which the check of the kernels alone does not reach."""
    right = Kernels.sum_of_products
    monkeypatch.setattr(Kernels, "sum_of_products", lambda self, first, second: right(self, first, second) * 0.5)


@pytest.mark.skipif(compiled_kernels() is None, reason="no C compiler that builds kernels.c")
@pytest.mark.parametrize("mistake", [derivative_of_silu, mean_left_out_of_chain, factor_left_out_of_gates])
def test_a_mistake_of_float32_kernels_is_found_though_float64_would_not_show_it(monkeypatch, caplog, mistake):
    mistake(monkeypatch)
    with caplog.at_level(logging.WARNING):
        assert not is_folded(freeze(network("efficientnet_b0"), images_and_targets(1)[0]))
    assert "folding and splitting change the gradient at the image" in caplog.text


class Casting(nn.Module):
    """A network that is float32 whatever it is given, so that a copy in float64 cannot run."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))

    def forward_features(self, images):
        return self.layers(images.float())

    def forward_head(self, features):
        return features.mean(dim=(2, 3))


def test_what_only_float32_shows_is_a_kink_and_the_copy_is_kept(monkeypatch, caplog):
    monkeypatch.setattr(comparison, "_gradient_difference", _kink)
    with caplog.at_level(logging.WARNING):
        assert is_folded(freeze(network("resnet18"), images_and_targets(1)[0]))
    assert caplog.text == ""


def test_a_network_that_cannot_be_decided_in_float64_is_explained_unfolded(monkeypatch, caplog):
    monkeypatch.setattr(comparison, "_gradient_difference", _kink)
    with caplog.at_level(logging.WARNING):
        assert not is_folded(freeze(Casting().eval(), images_and_targets(1)[0]))
    assert "folding and splitting change the gradient at the image by 1.0e-02" in caplog.text


def _kink(candidate, reference, images):
    """As large a difference as the kink of a ReLU makes; in float64 none, if the network runs there."""
    candidate.forward_features(images)
    return 1e-2 if images.dtype == torch.float32 else 0.0


def test_kernels_are_back_after_the_comparison():
    inputs = torch.rand(1, 3, 4, 4)
    with layers.without_kernels():
        assert layers._kernels_for(inputs) is None
    assert layers._kernels_for(inputs) is compiled_kernels()
