import copy
import gc
import weakref

import captum.attr
import pytest
import timm
import torch
import torchvision
import zennit.attribution
import zennit.composites
import zennit.layer
import zennit.rules
import zennit.torchvision
import zennit.types
from torch import nn
from torch.nn import functional

import xairank
from tests.attribution.networks import images_and_targets, network, relative_error
from tests.attribution.small_networks import Functional, Small, relu_network
from xairank.attribution import LRP, freeze
from xairank.attribution.forward_pass import ForwardPass
from xairank.attribution.protocol import explaining
from xairank.models.encoder_decoder import EncoderDecoder


def relevance(model, images, targets, **options):
    """Signed, and the score that it explains."""
    with explaining(model):
        forward = ForwardPass(model, images, targets, 8)
        return LRP(**options).relevance(forward), forward.scores


def zennit_relevance(model, images, targets, epsilon, gamma):
    stabilizer = {"stabilizer": 1e-9}
    rules = [
        (zennit.types.Activation, zennit.rules.Pass()),
        (zennit.layer.Sum, zennit.rules.Norm(**stabilizer)),
        (zennit.types.AvgPool, zennit.rules.Norm(**stabilizer)),
        (zennit.types.Convolution, zennit.rules.Gamma(gamma, stabilizer=epsilon)),
        (zennit.types.Linear, zennit.rules.Epsilon(epsilon)),
    ]
    composite = zennit.composites.LayerMapComposite(rules, canonizers=[zennit.torchvision.ResNetCanonizer()])
    with zennit.attribution.Gradient(model=model, composite=composite) as attributor:
        return attributor(images.clone(), lambda logits: logits * functional.one_hot(targets, logits.shape[1]))[1]


def residual_network():
    """Torchvision's, of one block a stage."""
    torch.manual_seed(0)
    model = torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1], num_classes=5).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-30  # zennit folds batch norm, and then divides by the root of 1 + eps once more
    for _ in range(3):
        model(torch.rand(4, 3, 32, 32, dtype=torch.float64))
    return model.eval()


@pytest.mark.parametrize(("epsilon", "gamma"), [(1e-9, 0.25), (1e-3, 1.0)])
def test_equals_zennit_on_a_residual_network(epsilon, gamma):
    model, (images, targets) = residual_network(), images_and_targets(2, torch.float64, size=32)
    expected = zennit_relevance(residual_network(), images, targets, epsilon, gamma)
    adapted = xairank.adapt(model, image_size=32)
    for same in (adapted, freeze(adapted, images)):
        found, _ = relevance(same, images, targets, epsilon=epsilon, gamma=gamma)
        assert relative_error(found, expected) < 1e-4
    maps = LRP(epsilon=epsilon, gamma=gamma)(adapted, images, targets)
    torch.testing.assert_close(maps, found.sum(dim=1).clamp(min=0))


@pytest.mark.filterwarnings("ignore")
def test_without_gamma_it_equals_captum():
    model, (images, targets) = relu_network(), images_and_targets(2, torch.float64, size=8)
    expected = captum.attr.LRP(relu_network()).attribute(images.clone().requires_grad_(), targets % 4).detach()
    found, _ = relevance(model, images, targets % 4, epsilon=1e-9, gamma=0)
    assert relative_error(found, expected) < 1e-6


@pytest.mark.parametrize("gamma", [0, 0.25, 10])
@pytest.mark.parametrize("activation", [nn.ReLU, nn.SiLU, nn.GELU, nn.Hardswish])
def test_without_biases_relevance_sums_to_the_logit(gamma, activation):
    model, (images, targets) = relu_network(False, activation), images_and_targets(3, torch.float64, size=8)
    found, scores = relevance(model, images, targets % 4, epsilon=0, gamma=gamma)
    torch.testing.assert_close(found.sum(dim=(1, 2, 3)), scores)


@pytest.mark.parametrize("function", [functional.relu, functional.relu_])
def test_functions_get_the_rules_of_layers(function):
    model, (images, targets) = relu_network(), images_and_targets(2, torch.float64, size=8)
    expected, _ = relevance(model, images, targets % 4)
    found, _ = relevance(Functional(model, function), images, targets % 4)
    assert relative_error(found, expected) < 1e-9


class Gated(nn.Module):
    """Squeeze-excitation, the gate given from outside if there is one."""

    def __init__(self, gates=None):
        super().__init__()
        self.weights, self.gates = nn.Conv2d(6, 6, 1), gates

    def forward(self, inputs):
        if self.gates is not None:
            return inputs * self.gates
        return inputs * self.weights(inputs.mean((2, 3), keepdim=True)).sigmoid()


def test_gates_are_constants():
    def gated(gates=None):
        layers = nn.Conv2d(3, 6, 3, bias=False), nn.SiLU(), Gated(gates), nn.Conv2d(6, 8, 3, bias=False)
        return Small(*layers, nn.AdaptiveAvgPool2d(1), channels=8, bias=False)

    model, (images, targets) = gated(), images_and_targets(1, torch.float64, size=8)
    found, scores = relevance(model, images, targets % 4, epsilon=0)
    torch.testing.assert_close(found.sum(dim=(1, 2, 3)), scores)
    with torch.no_grad():
        inputs = model[0][:2](images)
        gates = (model[0][2](inputs) / inputs).mean(dim=(2, 3), keepdim=True)
    fixed = gated(gates)
    fixed.load_state_dict(model.state_dict())
    assert relative_error(found, relevance(fixed, images, targets % 4, epsilon=0)[0]) < 1e-9


def test_relevance_ends_at_the_normalised_image():
    encoder, (images, targets) = network("resnet18"), images_and_targets(1, torch.float64, size=32)
    model = EncoderDecoder(copy.deepcopy(encoder), 5, 8, 32).double().eval()
    mean, std = model.normalize.mean, model.normalize.std
    bare = EncoderDecoder(copy.deepcopy(encoder), 5, 8, 32, normalize=False).double().eval()
    bare.load_state_dict({key: value for key, value in model.state_dict().items() if "normalize" not in key})
    expected, _ = relevance(bare, (images - mean) / std, targets)
    assert relative_error(relevance(model, images, targets)[0], expected) < 1e-9


@pytest.mark.parametrize("name", ["efficientnet_b0", "tf_efficientnetv2_b0"])
def test_the_encoders_that_people_use_have_rules_and_stay_as_they_are(name):
    model, (images, targets) = timm.create_model(name, num_classes=5).eval(), images_and_targets(1, size=32)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    attributes = set(vars(model))
    for same in (model, xairank.adapt(model, image_size=32)):
        assert LRP().obstacle(same) == ""
        maps = LRP()(same, images, targets)
        assert maps.isfinite().all()
        assert (maps > 0).any()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert set(vars(model)) == attributes


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.GroupNorm(1, 3), "has no rule for GroupNorm"),
        (nn.Softmax(dim=1), "has no rule for Softmax"),
    ],
)
def test_a_layer_without_a_rule_is_an_obstacle(layer, words):
    model = Small(layer, nn.AdaptiveAvgPool2d(1), channels=3)
    assert words in LRP().obstacle(model)


def test_a_product_of_two_signals_and_what_cannot_be_traced_are_obstacles():
    class Square(nn.Module):
        def forward(self, inputs):
            return inputs * inputs.relu()

    class Branching(nn.Module):
        def forward(self, inputs):
            return inputs if inputs.sum() > 0 else -inputs

    for layer, words in ((Square(), "product of two signals"), (Branching(), "torch.fx can trace")):
        model = Small(layer, nn.AdaptiveAvgPool2d(1), channels=3)
        assert words in LRP().obstacle(model)
        with pytest.raises(ValueError, match=f"LRP: Small cannot be explained: it .*{words}"):
            LRP()(model, torch.rand(1, 3, 4, 4, dtype=torch.float64), torch.tensor([0]))


def test_a_network_that_changes_is_planned_anew_and_one_that_goes_is_forgotten():
    model, (images, targets) = relu_network(), images_and_targets(1, torch.float64, size=8)
    LRP()(model, images, targets % 4)
    model[0][1] = nn.SiLU()
    changed, _ = relevance(model, images, targets % 4)
    fresh = relu_network()
    fresh[0][1] = nn.SiLU()
    torch.testing.assert_close(changed, relevance(fresh, images, targets % 4)[0])
    seen = weakref.ref(model)
    del model
    gc.collect()
    assert seen() is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": -1}, "epsilon=-1 is not allowed: expected a number of at least 0"),
        ({"gamma": "much"}, "gamma=much is not allowed: expected a number of at least 0"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        LRP(**options)
