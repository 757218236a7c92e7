import pytest
import torch
from torch import nn

from xairank.attribution import explain, freeze
from xairank.attribution.controls import OwnMask
from xairank.models import EncoderDecoder
from xairank.models.encoder import create_encoder
from xairank.schema import OWN_EVIDENCE


def network() -> nn.Module:
    torch.manual_seed(0)
    encoder = create_encoder("resnet10t", pretrained=False, weights=None)
    return EncoderDecoder(encoder, 3, 8, 64).eval()


def test_the_map_orders_pixels_as_the_predicted_probabilities_do():
    model, images = network(), torch.rand(2, 3, 64, 64)
    maps = OwnMask()(model, images, torch.tensor([0, 1]))
    with torch.no_grad():
        probabilities = model(images)[1].double().sigmoid()
    for found, expected in zip(maps, probabilities, strict=True):
        assert found.min() == 0
        order = expected.flatten().argsort()
        assert bool((found.flatten()[order].diff() >= 0).all())


def test_it_is_an_upper_control_also_of_a_frozen_model():
    assert OwnMask.control == OWN_EVIDENCE
    model, images = network(), torch.rand(2, 3, 64, 64)
    plain = OwnMask()(model, images, torch.tensor([0, 1]))
    frozen = explain({"own": OwnMask()}, freeze(model, images), images)["own"][0]
    torch.testing.assert_close(frozen, plain, rtol=1e-3, atol=1e-4)


def test_a_model_without_decoder_is_refused_in_one_line():
    class Bare(nn.Module):
        def forward_features(self, images):
            return images

        def forward_head(self, features):
            return features.mean(dim=(2, 3))

    assert OwnMask().obstacle(Bare()) == "needs a model that predicts a mask"
    assert OwnMask().obstacle(freeze(Bare(), torch.rand(1, 3, 8, 8))) == "needs a model that predicts a mask"
    assert OwnMask().obstacle(freeze(network(), torch.rand(1, 3, 64, 64))) == ""
    with pytest.raises(ValueError, match="the model has no decoder"):
        OwnMask()(Bare(), torch.rand(1, 3, 8, 8), torch.tensor([0]))
