"""A copy whose forward pass is right and whose gradient is wrong is found out; one that differs by rounding is not."""

import logging

import pytest
import torch
from torch import nn

from tests.attribution.networks import ENCODERS, images_and_targets, likely_targets, network
from xairank.attribution import Saliency, freeze
from xairank.attribution.acceleration import layers, squeeze_excitation


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
        gradient.shape[0], layer.in_channels, *size
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
