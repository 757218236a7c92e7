"""The stages of networks, and networks cut again at another layer."""

import copy

import pytest
import timm
import torch
import torchvision
from torch import nn

from tests.models.test_adapt import SIZE, Flat, Odd, timm_model
from xairank.attribution import freeze
from xairank.errors import UserError
from xairank.models.adapt import adapt
from xairank.models.cut import Hooked

SWIN = timm_model("swin_tiny_patch4_window7_224", img_size=SIZE, window_size=2, depths=(1, 1, 1, 1))
VIT = timm_model("vit_tiny_patch16_224", img_size=SIZE, depth=3)
RESNET = ("relu", "layer1", "layer2", "layer3", "layer4")


@pytest.mark.parametrize(
    ("build", "stages"),
    [
        (timm_model("efficientnet_b0"), ("blocks.0", "blocks.1", "blocks.2", "blocks.4", "bn2")),
        (timm_model("resnet18"), ("act1", *RESNET[1:])),  # its residuals begin as zero, past which gradients are few
        (torchvision.models.resnet18, RESNET),
        (torchvision.models.resnet50, RESNET),  # strides within blocks
        (VIT, ("blocks.2.norm1",)),
        (SWIN, ("layers.0", "layers.1", "layers.2", "norm")),
        (Odd, ("block",)),
        (Flat, ()),
    ],
)
def test_stages_are_the_last_layers_at_each_resolution(build, stages):
    torch.manual_seed(0)
    adapted = adapt(build(), image_size=SIZE)
    assert adapted.stages == stages
    if stages:
        assert adapted.at_layer(-1).layer == adapted.layer


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "convnext_atto", "regnety_002"])
def test_stages_before_the_last_are_those_of_timm(name):
    model = timm.create_model(name, pretrained=False, num_classes=4)
    expected = [info["module"] for info in model.feature_info]
    found = adapt(model, image_size=SIZE).stages
    # timm names the last block of a stage where the outermost module is the stage.
    assert all(wanted == one or wanted.startswith(f"{one}.") for one, wanted in zip(found[:-1], expected, strict=False))
    assert len(found) == len(expected)


class Normalized(nn.Module):
    """Its first layer gives an image."""

    def __init__(self):
        super().__init__()
        self.normalize, self.network = nn.InstanceNorm2d(3), Odd()

    def forward(self, images):
        return self.network(self.normalize(images))


def test_the_normalised_image_is_no_stage():
    assert adapt(Normalized(), image_size=SIZE).stages == ("network.block",)


@pytest.fixture(params=[VIT, SWIN, Odd, lambda: torchvision.models.resnet18(num_classes=4)], ids=range(4))
def adapted(request):
    torch.manual_seed(0)
    return adapt(request.param(), image_size=SIZE).eval()


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def test_the_same_classifier_at_each_stage(adapted, images):
    for number, name in enumerate(adapted.stages):
        there = adapted.at_layer(number)
        assert there.layer == name
        assert not there.training
        assert torch.allclose(there(images), adapted(images), atol=1e-5)
        features = there.forward_features(images)
        features = features[0] if isinstance(features, tuple) else features
        assert features.shape[1:] == there.feature_shape
        assert there.at_layer(adapted.layer).feature_shape == adapted.feature_shape


def test_weights_are_shared_and_saved_once(adapted):
    parameters = dict(adapted.named_parameters())
    there = adapted.at_layer(0)
    assert {id(value) for value in there.parameters()} == {id(value) for value in parameters.values()}
    assert not any("_network" in key for key in adapted.state_dict())
    saved = [value.data_ptr() for value in parameters.values() if value.numel()]
    assert len(saved) == len(set(saved))


def test_a_copy_has_its_own_weights_and_can_be_cut(adapted, images):
    with torch.no_grad():
        expected = adapted(images)
        copied = copy.deepcopy(adapted)
        for parameter in copied.parameters():
            parameter.mul_(1.5)
        there = copied.at_layer(0)
        assert not torch.allclose(copied(images), expected, atol=1e-4)
        assert torch.allclose(there(images), copied(images), rtol=1e-4, atol=1e-4)
        assert torch.allclose(adapted.at_layer(0)(images), expected, atol=1e-5)


def test_a_frozen_model_is_cut_once_at_a_layer(adapted, images):
    frozen = freeze(adapted, images)
    there = frozen.at_layer(0)
    assert frozen.at_layer(0) is there
    assert torch.allclose(there(images), adapted(images), atol=1e-4)


class Buffered(nn.Module):
    """A buffer of the network itself, of which the cut has its own."""

    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.full((1, 3, 1, 1), 2.0))
        self.layer, self.classify = nn.Conv2d(3, 8, 4, stride=4), nn.Linear(8, 4)

    def forward(self, images):
        return self.classify(self.layer(images * self.scale).relu().mean(dim=(2, 3)))


def test_the_whole_network_moves_with_the_model(images):
    """Here to another type, as to another device."""
    adapted = adapt(Buffered(), image_size=SIZE).eval().double()
    assert adapted._network[0].scale.dtype == torch.float64
    there = adapted.at_layer(0)
    assert torch.equal(there(images.double()), adapted(images.double()))


def test_modes_are_taken_over_and_kept():
    adapted = adapt(Odd(), "stem", image_size=SIZE).train()
    adapted.cut.network.block.eval()
    there = adapted.at_layer("block")
    assert isinstance(there.cut, Hooked)
    assert there.training
    assert there.cut.network.stem.training
    assert not there.cut.network.block.training


def test_normalisation_stays_within(images):
    adapted = adapt(Odd(), mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4), image_size=SIZE).eval()
    there = adapted.at_layer("stem")
    assert there.normalize is adapted.normalize
    assert torch.allclose(there(images), adapted(images), atol=1e-6)


@pytest.mark.parametrize(
    ("build", "layer", "message"),
    [
        (timm_model("resnet18"), "layer9", "layer=layer9: ResNet has no such layer; did you mean layer4"),
        (timm_model("resnet18"), "fc", "layer=fc: gives .* which is no feature map"),
        (timm_model("resnet18"), 5, "layer=5: ResNet has 5 stages; expected a whole number from -5 to 4, or the name"),
        (timm_model("resnet18"), -6, "layer=-6: ResNet has 5 stages"),
        (Flat, 0, "layer=0: no layer of Flat gives a feature map that the logits depend on everywhere"),
    ],
)
def test_a_wrong_layer_is_named_in_one_line(build, layer, message):
    adapted = adapt(build(), image_size=SIZE)
    with pytest.raises(UserError, match=message) as caught:
        adapted.at_layer(layer)
    assert "\n" not in str(caught.value)
