import copy
import logging
import subprocess
import sys

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional

from tests.attribution.networks import ENCODERS, images_and_targets, likely_targets, network, relative_error
from xairank import adapt
from xairank.attribution import FrozenModel, GradCAM, IntegratedGradients, Saliency, explain, freeze
from xairank.attribution.acceleration.layers import Convolution, SiLU
from xairank.attribution.acceleration.squeeze_excitation import SqueezeExcitation
from xairank.models import EncoderDecoder
from xairank.models.encoder import create_encoder

METHODS = {"gradcam": GradCAM(), "saliency": Saliency(), "integrated_gradients": IntegratedGradients(n_steps=5)}


def norms(model: nn.Module) -> int:
    """Batch norms left in what runs."""
    return sum(isinstance(part, nn.BatchNorm2d) for part in model._halves.modules())


# With ReLUs in float32, rounding decides on which side of the kink a value near zero falls, and with it a gradient. In
# densenet121, with its 121 of them, that shows in single pixels; in float64 nothing of it is left.
@pytest.mark.parametrize(
    ("encoder", "dtype", "tolerance"),
    [(encoder, torch.float64, 1e-8) for encoder in ENCODERS]
    + [(encoder, torch.float32, 1e-4) for encoder in ENCODERS if encoder != "densenet121"],
)
def test_maps_are_those_of_the_unfolded_network(encoder, dtype, tolerance):
    model, (images, _) = network(encoder, dtype), images_and_targets(2, dtype)
    targets = likely_targets(model, images)
    frozen = freeze(model, images)
    expected = explain(METHODS, model, images, targets)
    for name, (maps, _) in explain(METHODS, frozen, images, targets).items():
        assert relative_error(maps, expected[name][0]) < tolerance, name


@pytest.mark.parametrize(("encoder", "left"), [("resnet18", 0), ("efficientnet_b0", 0), ("densenet121", 62)])
def test_batch_norm_behind_a_convolution_is_folded(encoder, left):
    # densenet121 has 121 batch norms; 59 follow a convolution that nothing else reads.
    assert norms(freeze(network(encoder), images_and_targets(1)[0])) == left


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_prefix_is_affine_and_not_empty(encoder):
    frozen = freeze(network(encoder, torch.float64), images_and_targets(1, torch.float64)[0])
    (first, second), _ = images_and_targets(2, torch.float64)
    ends = frozen.forward_prefix(torch.stack([first, second]))
    middle = frozen.forward_prefix((0.25 * first + 0.75 * second)[None])
    torch.testing.assert_close(middle[0], 0.25 * ends[0] + 0.75 * ends[1])
    assert ends.shape[1] > 3  # behind the stem convolution


@pytest.mark.parametrize(
    "create",
    [
        lambda: network("efficientnet_b0"),
        lambda: adapt(network("efficientnet_b0")),
        lambda: adapt(torchvision.models.efficientnet_b0().eval()),
    ],
    ids=["timm", "timm adapted", "torchvision adapted"],
)
def test_silu_and_excitation_are_taken_into_the_convolutions(create):
    """16 blocks: all but the first expand with SiLU, all filter with SiLU and excitation; the head has SiLU once."""
    rest = freeze(create(), images_and_targets(1)[0])._halves["rest"]
    convolutions = [module for module in rest.modules() if isinstance(module, Convolution)]
    assert sum(convolution.activated for convolution in convolutions) == 15 + 16 + 1
    assert sum(convolution.excitation is not None for convolution in convolutions) == 16
    called = [type(rest.get_submodule(node.target)) for node in rest.graph.nodes if node.op == "call_module"]
    assert called.count(SiLU) == 1  # behind the stem, where the prefix ends
    assert SqueezeExcitation not in called


def test_the_prefix_of_the_multitask_model_holds_normalisation_and_stem():
    encoder = create_encoder("efficientnet_b0", pretrained=False, weights=None)
    model = EncoderDecoder(encoder, 3, 4, 64).eval()
    frozen = freeze(model, torch.rand(1, 3, 64, 64))
    images = torch.rand(2, 3, 64, 64)
    stem = functional.conv2d(model.normalize(images), encoder.conv_stem.weight, stride=2, padding=1)
    scale = encoder.bn1.weight / (encoder.bn1.running_var + encoder.bn1.eps).sqrt()
    shift = encoder.bn1.bias - encoder.bn1.running_mean * scale
    expected = stem * scale.view(-1, 1, 1) + shift.view(-1, 1, 1)
    torch.testing.assert_close(frozen.forward_prefix(images), expected, rtol=1e-4, atol=1e-5)


def test_the_model_is_left_as_it_is_and_the_copy_does_not_follow_it():
    model, (images, _) = copy.deepcopy(network("efficientnet_b0")).train(), images_and_targets(2)
    before = copy.deepcopy(model.state_dict())
    frozen = freeze(model, images)
    expected = frozen.forward_features(images)
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert torch.equal(frozen.forward_features(images), expected)


class Branching(nn.Module):
    """Looks at the values of its input, which no tracer can follow."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)

    def forward_features(self, images):
        return self.convolution(images) if images.mean() > 0 else -self.convolution(images)

    def forward_head(self, features):
        return features.mean(dim=(2, 3))


def test_a_network_that_cannot_be_traced_is_explained_as_it_is_with_a_warning(caplog):
    model, images = Branching(), torch.rand(2, 3, 16, 16)
    with caplog.at_level(logging.WARNING):
        frozen = freeze(model, images)
    assert "Branching: cannot be traced" in caplog.text
    targets = torch.tensor([1, 3])
    found, expected = explain(METHODS, frozen, images, targets), explain(METHODS, model, images, targets)
    for name, (maps, _) in found.items():
        torch.testing.assert_close(maps, expected[name][0])


class BranchingInPlace(Branching):
    """Overwrites the images, too."""

    def forward_features(self, images):
        return super().forward_features(images.mul_(0.5))


def test_a_network_explained_as_it_is_leaves_the_images_alone():
    images, targets = torch.rand(2, 3, 16, 16), torch.tensor([1, 3])
    before = images.clone()
    frozen = freeze(BranchingInPlace(), images)
    explain(METHODS, frozen, images, targets)
    assert torch.equal(images, before)


class Counting(nn.Module):
    """Another function at each call, whatever the copy, so that no trace of it holds."""

    calls = 0

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)

    def forward_features(self, images):
        Counting.calls += 1
        return self.convolution(images) * Counting.calls

    forward_head = Branching.forward_head


def test_a_copy_that_differs_is_dropped_with_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        frozen = freeze(Counting(), torch.rand(1, 3, 8, 8))
    assert "Counting: folding and splitting change the features or logits by" in caplog.text
    assert isinstance(frozen._halves["prefix"], nn.Identity)


class SharedConvolution(nn.Module):
    """One convolution before two batch norms: folding either into it would be wrong."""

    def __init__(self):
        super().__init__()
        self.convolution, self.first, self.second = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.second.running_mean += 1

    def forward_features(self, images):
        return self.first(self.convolution(images)) + self.second(self.convolution(images))

    forward_head = Branching.forward_head


class ActivationFirst(nn.Module):
    """Not affine from the start, and in place."""

    def __init__(self):
        super().__init__()
        self.activation, self.convolution = nn.ReLU(inplace=True), nn.Conv2d(3, 4, 3)

    def forward_features(self, images):
        return self.convolution(self.activation(images - 0.5) / 2)

    forward_head = Branching.forward_head


class Divisor(nn.Module):
    """A constant over the image is not affine; an image over a constant is."""

    def forward_features(self, images):
        return 1 / (images / 2 + 1)

    forward_head = Branching.forward_head


class Rectified(nn.Conv2d):
    """A convolution that does more than convolve."""

    def forward(self, images):
        return super().forward(images).relu()


class BentConvolution(nn.Module):
    """Looks affine by its type."""

    def __init__(self):
        super().__init__()
        self.convolution = Rectified(3, 4, 3)

    def forward_features(self, images):
        return self.convolution(images) ** 2

    forward_head = Branching.forward_head


class InPlaceBehindTheCut(nn.Module):
    """Overwrites what the affine prefix gives."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)

    def forward_features(self, images):
        return self.convolution(images).relu_()

    forward_head = Branching.forward_head


class InPlaceFirst(InPlaceBehindTheCut):
    """Overwrites the images."""

    def forward_features(self, images):
        return self.convolution(images.sub_(0.5).relu_())


@pytest.mark.parametrize(
    "architecture", [SharedConvolution, ActivationFirst, Divisor, BentConvolution, InPlaceBehindTheCut]
)
def test_networks_that_invite_a_wrong_cut(architecture):
    model, images, targets = architecture().double().eval(), torch.rand(3, 3, 12, 12).double(), torch.tensor([0, 1, 2])
    frozen = freeze(model, images)
    found, expected = explain(METHODS, frozen, images, targets), explain(METHODS, model, images, targets)
    for name, (maps, _) in found.items():
        torch.testing.assert_close(maps, expected[name][0])
    first, second = images[:1], images[1:2]
    torch.testing.assert_close(
        frozen.forward_prefix((first + second) / 2),
        (frozen.forward_prefix(first) + frozen.forward_prefix(second)) / 2,
    )


def test_the_images_are_left_to_the_caller():
    model, images, targets = InPlaceFirst().eval(), torch.rand(2, 3, 12, 12), torch.tensor([0, 1])
    before = images.clone()
    explain(METHODS, model, images, targets)
    assert torch.equal(images, before)


def test_made_in_inference_mode_it_can_be_explained_outside():
    images, targets = images_and_targets(2)
    with torch.inference_mode():
        frozen = freeze(network("resnet18"), images.clone())
    explain(METHODS, frozen, images, targets)


def test_speaks_the_protocol_of_models():
    model, (images, _) = network("mobilenetv3_small_050"), images_and_targets(2)
    frozen = freeze(model, images, batch_limit=3)
    assert isinstance(frozen, FrozenModel)
    assert frozen.batch_limit == 3
    for logits in (frozen(images), frozen.forward_head(frozen.forward_features(images))):
        torch.testing.assert_close(logits, model(images), rtol=1e-4, atol=1e-5)


WITHOUT = """
import sys
import timm
sys.modules["timm.models._efficientnet_blocks"] = None  # as in a version of timm that has it elsewhere
import torch
from torch import nn
from xairank.attribution import Saliency, freeze

layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.SiLU(), nn.Conv2d(4, 4, 3))

class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = layers
    def forward_features(self, images):
        return self.layers(images)
    def forward_head(self, features):
        return features.mean(dim=(2, 3))

images = torch.rand(2, 3, 16, 16)
frozen = freeze(Small(), images)
targets = torch.tensor([0, 1])
torch.testing.assert_close(Saliency()(frozen, images, targets), Saliency()(Small(), images, targets))
"""


def test_a_timm_without_its_private_module_costs_speed_not_the_import():
    found = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
