import pytest
import torch
from timm.models._efficientnet_blocks import SqueezeExcite
from torch import nn

from xairank.attribution.squeeze_excitation import SqueezeExcitation


@pytest.fixture(params=["efficientnet", "mobilenetv3"])
def original(request):
    torch.manual_seed(0)
    layers = {} if request.param == "mobilenetv3" else {"act_layer": nn.SiLU}
    gate = nn.Hardsigmoid if request.param == "mobilenetv3" else nn.Sigmoid
    return SqueezeExcite(8, gate_layer=gate, **layers).double().eval().requires_grad_(False)


@pytest.fixture
def features():
    return torch.randn(3, 8, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()


def test_is_that_of_timm_and_its_gradient_too(original, features):
    weights = torch.randn(3, 8, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    expected, found = original(features), SqueezeExcitation(original)(features)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    wanted = torch.autograd.grad((expected * weights).sum(), features)[0]
    torch.testing.assert_close(
        torch.autograd.grad((found * weights).sum(), features)[0], wanted, rtol=1e-12, atol=1e-12
    )


def test_gradient_is_that_of_finite_differences(original, features):
    assert torch.autograd.gradcheck(SqueezeExcitation(original), features)


def test_a_second_backward_pass_finds_what_the_first_found(original, features):
    output = SqueezeExcitation(original)(features).sum()
    first = torch.autograd.grad(output, features, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(output, features)[0])


def test_builds_no_graph_where_none_is_wanted(original, features):
    module = SqueezeExcitation(original)
    with torch.no_grad():
        assert not module(features).requires_grad
    assert not module(features.detach()).requires_grad
    torch.testing.assert_close(module(features.detach()), original(features).detach())
