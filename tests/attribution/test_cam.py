"""What class activation maps share: the layer, upsampling, batches, frozen models, nothing left behind."""

import copy

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional

from tests.attribution.cams import SIZE, Small
from tests.attribution.networks import images_and_targets, network, relative_error
from xairank.attribution import (
    EigenCAM,
    GradCAM,
    GradCAMPlusPlus,
    HiResCAM,
    LayerCAM,
    ScoreCAM,
    XGradCAM,
    explain,
    freeze,
)
from xairank.attribution.cam import interpolate_axis
from xairank.errors import UserError
from xairank.models import EncoderDecoder
from xairank.models.adapt import adapt
from xairank.models.encoder import create_encoder

CLASSES = (EigenCAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, XGradCAM)


def all_methods(layer):
    return {cls.__name__: cls(layer) for cls in CLASSES} | {"ScoreCAM": ScoreCAM(layer, n_channels=3)}


def encoder_decoder():
    torch.manual_seed(0)
    encoder = create_encoder("mobilenetv3_small_050", pretrained=False, weights=None)
    return EncoderDecoder(encoder, 5, 8, SIZE).double().eval()


class Residual(nn.Module):
    """Two stages, of which the second has a shortcut past its first convolution."""

    def __init__(self):
        super().__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.layer2 = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.SiLU())
        self.layer3 = nn.Sequential(nn.Conv2d(8, 16, 4, stride=4), nn.BatchNorm2d(16), nn.ReLU())
        self.classify = nn.Linear(16, 5)
        nn.init.uniform_(self.classify.weight)  # all features speak for every class, so that no map is empty

    def forward(self, images):
        features = self.layer1(images)
        features = self.layer3(features + self.layer2(features))
        return self.classify(features.square().mean(dim=(2, 3)))


def adapted():
    torch.manual_seed(0)
    return adapt(Residual().double(), image_size=SIZE).eval()


MODELS = {"EncoderDecoder": encoder_decoder, "AdaptedModel": adapted}
LAYERS = [("EncoderDecoder", "blocks.2"), ("AdaptedModel", "layer1"), ("AdaptedModel", -2)]


def images():
    return images_and_targets(3, torch.float64, SIZE)


@pytest.mark.parametrize(("name", "layer"), [*LAYERS, ("EncoderDecoder", None), ("AdaptedModel", None)])
def test_maps_of_a_frozen_model_and_of_any_batch_limit_are_those_of_the_model(name, layer):
    model, methods = MODELS[name](), all_methods(layer)
    expected = explain(methods, model, *images())
    for found in (
        explain(methods, freeze(model, images()[0][:1]), *images()),
        explain(methods, model, *images(), batch_limit=2),
    ):
        for method, (maps, _) in expected.items():
            torch.testing.assert_close(found[method][0], maps, rtol=1e-7, atol=1e-9 * float(maps.max()))
    shown = [method for method, (maps, _) in expected.items() if maps.any()]
    assert {"EigenCAM", "GradCAM", "HiResCAM", "LayerCAM"} <= set(shown)


@pytest.mark.parametrize(("name", "layer"), LAYERS)
def test_the_layer_is_read(name, layer):
    """Grad-CAM by a hook at the layer."""
    model, (inputs, targets) = MODELS[name](), images()
    there = model.at_layer(layer)
    network = model if name == "EncoderDecoder" else model._network[0]
    outputs = []
    handle = network.get_submodule(there.layer).register_forward_hook(lambda m, i, output: outputs.append(output))
    logits = network(inputs.clone().requires_grad_())
    handle.remove()
    logits = logits[0] if isinstance(logits, tuple) else logits
    (gradients,) = torch.autograd.grad(logits.gather(1, targets[:, None]).sum(), outputs)
    expected = functional.relu((gradients.mean(dim=(2, 3), keepdim=True) * outputs[0].detach()).sum(dim=1))
    found = explain({"": GradCAM(layer=layer)}, model, inputs, targets)[""][1]["class_activation"]
    torch.testing.assert_close(found, expected)
    assert there.feature_shape == outputs[0].shape[1:]


def test_the_last_stage_is_the_default():
    for build in MODELS.values():
        model = build()
        found = explain({"last": GradCAM(-1), "own": GradCAM()}, model, *images())
        assert relative_error(found["last"][0], found["own"][0]) < 1e-9


def test_nothing_is_left_behind():
    for name, layer in LAYERS:
        model = MODELS[name]().train()
        model.get_submodule("cut" if name == "AdaptedModel" else "head").eval()  # modes need not be alike
        network = model._network[0] if name == "AdaptedModel" else model
        modes = [module.training for part in (model, network) for module in part.modules()]
        state, names = copy.deepcopy(model.state_dict()), set(model._modules)
        explain(all_methods(layer), model, *images())
        with pytest.raises(UserError):
            explain(all_methods("nowhere"), model, *images())
        assert [module.training for part in (model, network) for module in part.modules()] == modes
        assert not any(module._forward_hooks for part in (model, network) for module in part.modules())
        assert all(p.requires_grad and p.grad is None for p in network.parameters())
        assert set(model._modules) == names
        assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
        assert set(model.state_dict()) == set(state)


def test_a_torchvision_network_at_an_earlier_layer():
    torch.manual_seed(0)
    model = adapt(torchvision.models.resnet18(), image_size=SIZE).eval()
    found = explain({"": GradCAM(layer="layer3")}, model, *images_and_targets(1, size=SIZE))[""]
    assert found[0].shape == (1, SIZE, SIZE)
    assert found[1]["class_activation"].shape == (1, 4, 4)


def test_a_model_that_cannot_be_cut_elsewhere_is_named():
    model, (inputs, targets) = network("resnet18"), images_and_targets(1)
    with pytest.raises(ValueError, match=r"layer=layer3: ResNet cannot be cut at another layer; give xairank.adapt"):
        GradCAM(layer="layer3")(model, inputs, targets)
    with pytest.raises(ValueError, match=r"layer=layer3: ResNet cannot be cut at another layer; freeze xairank.adapt"):
        GradCAM(layer="layer3")(freeze(model, inputs), inputs, targets)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("blocks.9", "layer=blocks.9: MobileNetV3 has no such layer; did you mean blocks.5"),
        ("head", "layer=head: gives .* which is no feature map"),
        (9, "layer=9: Classifier has 5 stages; expected a whole number from -5 to 4, or the name of a layer"),
    ],
)
def test_a_wrong_layer_is_named_in_one_line(layer, message, frozen):
    model, (inputs, targets) = encoder_decoder(), images()
    model = freeze(model, inputs[:1]) if frozen else model
    with pytest.raises(UserError, match=message) as caught:
        LayerCAM(layer)(model, inputs, targets)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cls", [*CLASSES, ScoreCAM])
@pytest.mark.parametrize("layer", [True, 1.5, ["layer4"]])
def test_what_is_no_layer_is_named(cls, layer):
    with pytest.raises(ValueError, match=r"layer=.* is not allowed: expected the name of a layer, the number of a"):
        cls(layer=layer)


def test_every_method_has_the_options_of_all():
    model, (inputs, targets) = adapt(Small(2), image_size=SIZE).eval(), images_and_targets(2, size=SIZE)
    for cls in (*CLASSES, ScoreCAM):
        plain, smoothed = (cls(score="contrast", smooth=sigma)(model, inputs, targets) for sigma in (0, 3))
        assert plain.shape == smoothed.shape == (2, SIZE, SIZE)
        assert plain.amin() >= 0
        assert not plain.any() or not torch.equal(plain, smoothed)


def test_what_a_network_lacks_is_an_obstacle():
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 4))

        def forward(self, images):
            return self.layers(images)

    flat, small = adapt(Flat(), image_size=16), adapt(Small(2), image_size=SIZE)
    for cls in (*CLASSES, ScoreCAM):
        assert cls().obstacle(flat).startswith("needs a feature map")
        assert cls().obstacle(small) == cls(-1).obstacle(small) == cls("layer").obstacle(small) == ""
        assert cls(-3).obstacle(small) == "needs the feature map of stage -3, and the network has 2 in all"


def test_no_image_gives_no_map():
    model = adapt(Small(2), image_size=SIZE).eval()
    for maps, _ in explain(all_methods(None), model, torch.rand(0, 3, SIZE, SIZE)).values():
        assert maps.shape == (0, SIZE, SIZE)


@pytest.mark.parametrize(
    ("coarse", "size"), [((7, 7), (224, 224)), ((3, 5), (50, 64)), ((2, 2), (2, 3)), ((1, 1), (8, 8))]
)
def test_upsampling_is_torchs_bilinear(coarse, size):
    maps = torch.rand(2, *coarse, dtype=torch.float64)
    expected = functional.interpolate(maps[:, None], size, mode="bilinear", align_corners=False)[:, 0]
    torch.testing.assert_close(interpolate_axis(interpolate_axis(maps, size[0], 1), size[1], 2), expected)


def test_upsampling_keeps_a_constant_map_constant_to_the_bit():
    maps = torch.full((1, 7, 7), 0.1)
    assert interpolate_axis(interpolate_axis(maps, 224, 1), 224, 2).unique().tolist() == maps.unique().tolist()
