import copy

import captum.attr
import pytest
import torch
from torch import nn
from torch.nn import functional

import xairank
from tests.attribution.networks import images_and_targets, network, relative_error
from tests.attribution.small_networks import Functional, relu_network
from xairank.attribution import GuidedBackprop, Saliency, explain, freeze


def captum_maps(model, images, targets):
    gradients = captum.attr.GuidedBackprop(model).attribute(images.clone().requires_grad_(), targets)
    return gradients.abs().amax(dim=1).detach()


@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU")
def test_equals_captum_on_a_residual_network():
    model, (images, targets) = network("resnet18", torch.float64), images_and_targets(2, torch.float64)
    expected = captum_maps(model, images, targets)
    assert relative_error(Saliency()(model, images, targets), expected) > 0.1
    for same in (model, freeze(model, images)):
        assert relative_error(GuidedBackprop()(same, images, targets), expected) < 1e-9


@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU")
@pytest.mark.parametrize("function", [functional.relu, torch.relu, torch.Tensor.relu, lambda x: functional.relu_(x)])
def test_functions_are_caught_like_layers(function):
    model, (images, targets) = relu_network(), images_and_targets(2, torch.float64, size=8)
    expected = captum_maps(model, images, targets % 4)
    assert relative_error(GuidedBackprop()(Functional(model, function), images, targets % 4), expected) < 1e-9
    adapted = xairank.adapt(model, image_size=8)
    assert relative_error(GuidedBackprop()(adapted, images, targets % 4), expected) < 1e-9


class Guided(nn.Module):
    """An activation written out with the rule for its gradient."""

    def __init__(self, activation):
        super().__init__()
        self.activation = activation

    def forward(self, inputs):
        outputs = self.activation(inputs)
        outputs.register_hook(lambda gradient: gradient * (gradient > 0))
        return outputs


@pytest.mark.parametrize("activation", [nn.SiLU, nn.GELU, nn.Hardswish, nn.LeakyReLU, nn.ReLU6])
def test_other_activations_keep_their_own_derivative(activation):
    images, targets = images_and_targets(2, torch.float64, size=8)
    expected = Saliency()(relu_network(activation=lambda: Guided(activation())), images, targets % 4)
    found = GuidedBackprop()(relu_network(activation=activation), images, targets % 4)
    assert relative_error(found, expected) < 1e-9


@pytest.mark.parametrize("name", ["efficientnet_b0", "mobilenetv3_small_050"])
def test_a_frozen_network_with_gradients_of_its_own_keeps_the_rule(name):
    model, (images, targets) = network(name), images_and_targets(2)
    written_out = copy.deepcopy(model)
    for module in list(written_out.modules()):
        for child, layer in list(module.named_children()):
            if isinstance(layer, nn.SiLU | nn.ReLU | nn.Hardswish):
                setattr(module, child, Guided(type(layer)()))
    expected = Saliency()(written_out, images, targets)
    assert relative_error(Saliency()(model, images, targets), expected) > 0.1
    assert relative_error(GuidedBackprop()(freeze(model, images), images, targets), expected) < 1e-4


def test_alone_it_takes_one_forward_and_one_backward_pass():
    model, (images, targets) = network("resnet18"), images_and_targets(3)
    calls, costs = [], {}
    handle = model.conv1.register_forward_hook(lambda module, inputs, output: calls.append(len(inputs[0])))
    try:
        explain({"guided": GuidedBackprop()}, model, images, targets, costs=costs)
        assert (sum(calls), costs["guided"].passes) == (3, 6)
        explain({"guided": GuidedBackprop()}, model, images, None, costs=costs)  # which predicts the targets
        assert (sum(calls), costs["guided"].passes) == (9, 15)
    finally:
        handle.remove()
    with pytest.raises(ValueError, match="expected class indices from 0 to 4"):
        GuidedBackprop()(model, images, targets + 5)


def test_nothing_is_left_behind():
    model, (images, targets) = relu_network(), images_and_targets(1, torch.float64, size=8)
    before = Saliency()(model, images, targets % 4)
    GuidedBackprop()(model, images, targets % 4)
    torch.testing.assert_close(Saliency()(model, images, targets % 4), before, rtol=0, atol=0)
    assert not any(module._backward_hooks or module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_compiled_layers_are_an_obstacle():
    model = relu_network()
    assert GuidedBackprop().obstacle(model) == ""
    model[0][1] = torch.jit.trace(nn.ReLU(), torch.rand(1))
    assert "compiled layers are out of reach" in GuidedBackprop().obstacle(model)
