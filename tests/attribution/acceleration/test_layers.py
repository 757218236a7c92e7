import pytest
import torch
import torchvision
from timm.models._efficientnet_blocks import SqueezeExcite
from torch import nn

from xairank.attribution.acceleration import layers
from xairank.attribution.acceleration.kernels import compiled_kernels
from xairank.attribution.acceleration.layers import Convolution, SiLU
from xairank.attribution.acceleration.squeeze_excitation import SqueezeExcitation


def squeeze_excite(gate, **options):
    return SqueezeExcite(8, gate_layer=gate, **options)


def activated(**options):
    return nn.Sequential(nn.Conv2d(8, 16, **options), nn.SiLU())


def excited(**options):
    return nn.Sequential(*activated(**options), SqueezeExcite(16, act_layer=nn.SiLU))


def with_silu(original):
    return Convolution(original[0], activated=True)


def with_excitation(original):
    return Convolution(original[0], activated=True, excitation=SqueezeExcitation(original[2]))


LAYERS = {
    "convolution": (Convolution, lambda: nn.Conv2d(8, 6, 3, stride=2, padding=1)),
    "without bias": (Convolution, lambda: nn.Conv2d(8, 6, (3, 1), padding=(2, 0), dilation=2, bias=False)),
    "depthwise": (Convolution, lambda: nn.Conv2d(8, 8, 5, padding=2, groups=8)),
    "depthwise with gaps": (Convolution, lambda: nn.Conv2d(8, 8, (3, 2), padding=(1, 0), dilation=2, groups=8)),
    "depthwise with a wide border": (Convolution, lambda: nn.Conv2d(8, 8, 3, padding=3, groups=8)),
    "depthwise with stride": (Convolution, lambda: nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8)),
    "depthwise with more channels": (Convolution, lambda: nn.Conv2d(8, 16, 3, padding=1, groups=8)),
    "pointwise": (Convolution, lambda: nn.Conv2d(8, 16, 1)),
    "as large as its input": (Convolution, lambda: nn.Conv2d(8, 6, 3, padding="same")),
    "reflecting": (Convolution, lambda: nn.Conv2d(8, 6, 3, padding=1, padding_mode="reflect")),
    "with SiLU": (with_silu, lambda: activated(kernel_size=3, stride=2, padding=1)),
    "depthwise with SiLU": (with_silu, lambda: activated(kernel_size=5, padding=2, groups=8)),
    "pointwise with SiLU": (with_silu, lambda: activated(kernel_size=1, bias=False)),
    "reflecting with SiLU": (with_silu, lambda: activated(kernel_size=3, padding=1, padding_mode="reflect")),
    "depthwise with excitation": (with_excitation, lambda: excited(kernel_size=5, padding=2, groups=8)),
    "pointwise with excitation": (with_excitation, lambda: excited(kernel_size=1)),
    "excitation of one pixel": (with_excitation, lambda: excited(kernel_size=3, stride=9)),
    "SiLU": (lambda original: SiLU(), nn.SiLU),
    "squeeze-excitation of efficientnet": (SqueezeExcitation, lambda: squeeze_excite(nn.Sigmoid, act_layer=nn.SiLU)),
    "squeeze-excitation of fbnetv3": (
        SqueezeExcitation,
        lambda: squeeze_excite(nn.Hardsigmoid, act_layer=nn.Hardswish),
    ),
    "squeeze-excitation of torchvision": (
        SqueezeExcitation,
        lambda: torchvision.ops.SqueezeExcitation(8, 3, nn.SiLU, nn.Sigmoid),
    ),
    "squeeze-excitation of mobilenetv3": (SqueezeExcitation, lambda: squeeze_excite(nn.Hardsigmoid)),
}


def numbers(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def output_and_gradient(layer, inputs):
    """The output, and the gradient of a sum over it that weighs each value differently."""
    inputs = inputs.detach().requires_grad_()
    output = layer(inputs)
    return output.detach(), torch.autograd.grad((output * numbers(1, *output.shape).to(output)).sum(), inputs)[0]


@pytest.fixture(params=LAYERS)
def pair(request):
    """The layer and its original."""
    create, create_original = LAYERS[request.param]
    torch.manual_seed(0)
    original = create_original().eval().requires_grad_(False)
    return create(original), original


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "transposed", "strided"])
def test_computes_what_its_original_computes(pair, dtype, layout):
    layer, original = (part.to(dtype) for part in pair)
    inputs = {
        "contiguous": lambda: numbers(0, 3, 8, 7, 6),
        "channels_last": lambda: numbers(0, 3, 8, 7, 6).contiguous(memory_format=torch.channels_last),
        "transposed": lambda: numbers(0, 3, 8, 7, 6).transpose(2, 3),
        "strided": lambda: numbers(0, 3, 16, 7, 6)[:, ::2],
    }[layout]().to(dtype)
    expected = output_and_gradient(original, inputs)
    for found, wanted in zip(output_and_gradient(layer, inputs), expected, strict=True):
        torch.testing.assert_close(found, wanted)
        assert found.dtype == dtype


def test_gradient_is_that_of_finite_differences(pair):
    assert torch.autograd.gradcheck(pair[0].double(), numbers(0, 2, 8, 4, 3).double().requires_grad_())


def test_a_second_backward_pass_finds_what_the_first_found(pair):
    inputs = numbers(0, 3, 8, 5, 4).requires_grad_()
    output = pair[0](inputs).square().sum()
    first = torch.autograd.grad(output, inputs, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(output, inputs)[0])


def test_a_second_backward_pass_is_refused_where_the_graph_was_not_kept(pair):
    inputs = numbers(0, 3, 8, 5, 4).requires_grad_()
    output = pair[0](inputs).square().sum()
    torch.autograd.grad(output, inputs)
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        torch.autograd.grad(output, inputs)


def test_builds_no_graph_where_none_is_wanted(pair):
    layer, original = pair
    inputs = numbers(0, 3, 8, 5, 4).requires_grad_()
    with torch.no_grad():
        assert not layer(inputs).requires_grad
    assert not layer(inputs.detach()).requires_grad
    torch.testing.assert_close(layer(inputs.detach()), original(inputs).detach())


@pytest.mark.parametrize(("side", "product"), [(14, True), (15, False)])
def test_few_pixels_are_multiplied_and_many_convolved_to_the_same_end(monkeypatch, side, product):
    original = nn.Conv2d(8, 6, 1).requires_grad_(False).to(memory_format=torch.channels_last)
    linear, calls = layers.functional.linear, []
    monkeypatch.setattr(layers.functional, "linear", lambda *inputs: calls.append(1) or linear(*inputs))
    inputs = numbers(0, 2, 8, side, side).contiguous(memory_format=torch.channels_last)
    expected = output_and_gradient(original, inputs)
    for found, wanted in zip(output_and_gradient(Convolution(original), inputs), expected, strict=True):
        torch.testing.assert_close(found, wanted)
        assert found.is_contiguous(memory_format=torch.channels_last)
    assert bool(calls) == product


def test_a_convolution_keeps_nothing_of_its_input():
    layer = Convolution(nn.Conv2d(8, 6, 3).requires_grad_(False))
    assert kept_by(layer) == []
    assert (2, 8, 7, 7) in kept_by(layer.original)


needs_compiler = pytest.mark.skipif(compiled_kernels() is None, reason="no C compiler that builds kernels.c")


@needs_compiler
def test_a_convolution_keeps_the_derivative_of_silu_alone():
    assert kept_by(Convolution(nn.Conv2d(8, 6, 3).requires_grad_(False), activated=True)) == [(2, 6, 5, 5)]


@needs_compiler
def test_a_convolution_with_excitation_keeps_the_feature_map_too():
    assert kept_by(with_excitation(excited(kernel_size=3).requires_grad_(False))) == [(2, 16, 5, 5)] * 2


@pytest.mark.parametrize("create", [activated, excited])
def test_silu_is_the_same_with_and_without_a_compiler(monkeypatch, create):
    torch.manual_seed(0)
    original = create(kernel_size=3).requires_grad_(False)
    layer = with_silu(original) if create is activated else with_excitation(original)
    inputs = numbers(0, 3, 8, 7, 6)
    expected = output_and_gradient(layer, inputs)
    monkeypatch.setattr(layers, "compiled_kernels", lambda: None)
    for found, wanted in zip(output_and_gradient(layer, inputs), expected, strict=True):
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("options", [{"act_layer": nn.GELU}, {"gate_layer": nn.Tanh}])
def test_squeeze_excitations_of_unknown_functions_are_left_as_they_are(options):
    assert SqueezeExcitation.replaces(SqueezeExcite(8))
    assert not SqueezeExcitation.replaces(SqueezeExcite(8, **options))


def kept_by(layer):
    """The shapes of what a layer's graph keeps for the way back."""
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tuple(tensor.shape)), lambda kept: None):
        assert layer(numbers(0, 2, 8, 7, 7).requires_grad_()).requires_grad
    return kept
