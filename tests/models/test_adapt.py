"""Networks of many kinds, cut in two: the same function, the right layer, nothing changed and nothing left behind."""

import copy
from types import SimpleNamespace

import pytest
import timm
import torch
import torchvision
from torch import nn
from torch.nn import functional

from xairank.errors import UserError
from xairank.models.adapt import adapt
from xairank.models.cut import Hooked, Traced, Uncut
from xairank.models.layers import logits_of

SIZE = 64


class Odd(nn.Module):
    """A forward that torch.fx cannot trace, an output object, a residual past the last block, another input scale."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, stride=4)
        self.block = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        self.classify = nn.Linear(8, 3)

    def forward(self, images):
        if images.mean() > 100:  # control flow by values
            images = images / 255
        stem = self.stem(images * 2 - 1).relu()
        return SimpleNamespace(logits=self.classify((stem + self.block(stem)).mean(dim=(2, 3))))


class InPlaceBefore(nn.Module):
    """An activation in place whose input, and so its output, passes the cut beside the map."""

    def __init__(self):
        super().__init__()
        self.stem, self.layer = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, padding=1)
        self.activation, self.classify = nn.ReLU(inplace=True), nn.Linear(8, 4)

    def forward(self, images):
        stem = self.stem(images)
        features = self.layer(self.activation(stem))
        return self.classify((features + stem).mean(dim=(2, 3)))


class Chunks(nn.Module):
    """A tuple of tensors of which one is taken before the layer and the other behind it."""

    def __init__(self):
        super().__init__()
        self.stem, self.layer = nn.Conv2d(3, 8, 3), nn.Conv2d(4, 4, 3, padding=1)
        self.classify = nn.Linear(8, 4)

    def forward(self, images):
        halves = torch.chunk(functional.silu(self.stem(images)), 2, dim=1)
        features = self.layer(halves[0])
        return self.classify(torch.cat([functional.silu(features), halves[1]], dim=1).mean(dim=(2, 3)))


class InPlaceBehind(nn.Module):
    """Cannot be traced, and overwrites the layer's output by what is not the same when done twice."""

    def __init__(self):
        super().__init__()
        self.layer, self.classify = nn.Conv2d(3, 8, 3), nn.Linear(8, 4)

    def forward(self, images):
        if images.mean() > 100:
            images = images / 255
        features = self.layer(images)
        functional.silu(features, inplace=True)
        return self.classify(features.mean(dim=(2, 3)))


class Flat(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 4))

    def forward(self, images):
        return self.layers(images)


def torchvision_vit():
    model = torchvision.models.VisionTransformer(SIZE, 16, 3, 4, 32, 64, num_classes=4)
    nn.init.normal_(model.heads.head.weight)  # untrained heads of torchvision are zero
    return model


def timm_model(name, **options):
    return lambda: timm.create_model(name, pretrained=False, num_classes=4, **options)


MODELS = {
    "timm resnet18": (timm_model("resnet18"), Traced, "layer4", (512, 2, 2)),
    "timm efficientnet_b0": (timm_model("efficientnet_b0"), Traced, "bn2", (1280, 2, 2)),
    "timm convnext_atto": (timm_model("convnext_atto"), Traced, "norm_pre", (320, 2, 2)),
    "timm vit": (
        timm_model("vit_tiny_patch16_224", img_size=SIZE, depth=3),
        Traced,
        "blocks.2.norm1",
        (192, 4, 4),
    ),
    "timm vit that averages": (
        timm_model("vit_tiny_patch16_224", img_size=SIZE, depth=3, global_pool="avg", class_token=False),
        Traced,
        "norm",
        (192, 4, 4),
    ),
    "timm swin": (
        timm_model("swin_tiny_patch4_window7_224", img_size=SIZE, window_size=2),
        Traced,
        "norm",
        (768, 2, 2),
    ),
    "timm padding by size": (timm_model("tf_efficientnetv2_b0"), Traced, "bn2", (1280, 2, 2)),
    "timm mobilevit": (timm_model("mobilevitv2_050"), Hooked, "final_conv", (256, 2, 2)),
    "torchvision resnet18": (lambda: torchvision.models.resnet18(num_classes=4), Traced, "layer4", (512, 2, 2)),
    "torchvision vit": (torchvision_vit, Traced, "encoder.layers.encoder_layer_2.ln_1", (32, 4, 4)),
    "torchvision swin": (
        lambda: torchvision.models.SwinTransformer([4, 4], 12, [1, 1], [2, 2], [4, 4], num_classes=4),
        Traced,
        "permute",
        (24, 8, 8),
    ),
    "one's own": (Odd, Hooked, "block", (8, 16, 16)),
    "in place before the layer": (InPlaceBefore, Traced, "layer", (8, 62, 62)),
    "chunks": (Chunks, Hooked, "layer", (4, 62, 62)),
    "in place behind the layer": (InPlaceBehind, Hooked, "layer", (8, 62, 62)),
    "without a map": (Flat, Uncut, "", ()),
}


@pytest.fixture(params=MODELS, scope="module")
def case(request):
    torch.manual_seed(0)
    build, *expected = MODELS[request.param]
    model = build()
    adapted = adapt(model, image_size=SIZE)
    return model, adapted, expected


@pytest.fixture(scope="module")
def images():
    return torch.rand(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def parts(adapted, images):
    features = adapted.forward_features(images)
    return features if isinstance(features, tuple) else (features,)


def test_the_last_map_before_the_head_is_found(case):
    _, adapted, (cut, layer, shape) = case
    assert type(adapted.cut) is cut
    assert adapted.layer == layer
    assert adapted.feature_shape == shape


def test_both_parts_together_are_the_network(case, images):
    model, adapted, _ = case
    model.eval()
    adapted.eval()
    with torch.no_grad():
        expected = logits_of(model(images))
        features, *others = parts(adapted, images)
        assert torch.allclose(adapted.forward_head(features, *others), expected, atol=1e-5)
        assert torch.allclose(adapted(images), expected, atol=1e-5)
        assert features.shape[1:] == adapted.feature_shape or adapted.feature_shape == ()


def test_gradients_through_both_parts_are_those_of_the_network(case, images):
    model, adapted, _ = case
    model.eval()
    adapted.eval()
    found, expected = [], []
    for function, gradients in ((adapted, found), (lambda x: logits_of(model(x)), expected)):
        inputs = images.clone().requires_grad_()
        gradients += torch.autograd.grad(function(inputs)[:, 1].sum(), inputs)
    scale = expected[0].abs().max()
    assert scale > 0
    assert (found[0] - expected[0]).abs().max() <= 1e-4 * scale


def test_the_gradient_at_the_map_reaches_the_logits(case, images):
    _, adapted, (_, layer, _) = case
    adapted.eval()
    features, *others = parts(adapted, images)
    features = features.detach().requires_grad_()
    scores = adapted.forward_head(features.clone(), *others)[:, 1].sum()  # a head may work in place
    (gradient,) = torch.autograd.grad(scores, features)
    assert gradient.abs().sum(dim=1).gt(0).float().mean() > (0.5 if layer else 0.2)


def test_no_hook_stays_and_the_mode_is_as_it_was(images):
    for build in (Odd, timm_model("resnet18")):
        model = build().train()
        before = copy.deepcopy(model.state_dict())
        adapted = adapt(model, image_size=SIZE)
        adapted.forward_features(images)
        assert all(module.training for module in model.modules())
        assert not any(module._forward_hooks for module in model.modules())
        adapted.eval()
        with torch.no_grad():
            adapted(images)
        model.eval()
        after = model.state_dict()
        assert set(before) == set(after)


def test_no_hook_stays_where_a_pass_fails():
    model = Odd()
    adapted = adapt(model, image_size=SIZE)
    with pytest.raises(RuntimeError):
        adapted(torch.rand(1, 7, SIZE, SIZE))
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("layer", ["layer1", "layer3.1.bn1", "layer4.0.conv1"])
def test_a_layer_can_be_named(images, layer):
    torch.manual_seed(0)
    model = timm.create_model("resnet18", pretrained=False, num_classes=4).eval()
    adapted = adapt(model, layer, image_size=SIZE)
    outputs = []
    handle = model.get_submodule(layer).register_forward_hook(
        lambda module, inputs, output: outputs.append(output.clone())
    )
    with torch.no_grad():
        expected = model(images)
        handle.remove()
        features, *others = parts(adapted, images)
        assert adapted.layer == layer
        assert torch.equal(features, outputs[0])
        assert torch.allclose(adapted.forward_head(features, *others), expected, atol=1e-5)


def test_normalisation_is_within(images):
    torch.manual_seed(0)
    model = timm.create_model("resnet18", pretrained=False, num_classes=4).eval()
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
    adapted = adapt(model, mean=mean, std=std, image_size=SIZE)
    scaled = (images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    with torch.no_grad():
        assert torch.allclose(adapted(images), model(scaled), atol=1e-5)


@pytest.mark.parametrize(
    ("build", "options", "message"),
    [
        (timm_model("resnet18"), {"layer": "layer5"}, "layer=layer5: ResNet has no such layer; did you mean layer4"),
        (timm_model("resnet18"), {"layer": "fc"}, r"layer=fc: gives \(2, 4\) for images .* which is no feature map"),
        (Odd, {"image_size": 2}, r"image_size: Odd cannot take images of 2 x 2 pixels"),
        (
            lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()),
            {},
            r"the model gives a tensor \(2, 4, 62, 62\); expected logits \(images, classes\)",
        ),
        (
            lambda: nn.Sequential(Odd()),
            {"layer": "0"},
            "layer=0: is never called with a tensor as its result in a pass",
        ),
        (
            lambda: torchvision.models.VisionTransformer(SIZE, 16, 3, 4, 32, 64, num_classes=4),
            {},
            "logits do not depend on the image",
        ),
    ],
)
def test_mistakes_are_one_line(build, options, message):
    with pytest.raises(UserError, match=message) as caught:
        adapt(build(), **{"image_size": SIZE, **options})
    assert "\n" not in str(caught.value)


def test_a_layer_called_twice_is_refused():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, images):
            return self.convolution(self.convolution(images)).mean(dim=(2, 3))

    with pytest.raises(UserError, match="layer=convolution: is called 2 times in a pass"):
        adapt(Twice(), "convolution", image_size=SIZE)
