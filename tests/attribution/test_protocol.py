import copy

import pytest
import timm
import torch
from torch import nn

from tests.attribution.networks import images_and_targets, likely_targets, network, relative_error
from xairank.attribution import GradCAM, IntegratedGradients, Saliency

METHODS = [GradCAM(), Saliency(), IntegratedGradients(n_steps=5)]


@pytest.fixture(scope="module")
def model():
    return network("efficientnet_b0")


@pytest.fixture(params=METHODS, ids=lambda method: type(method).__name__)
def method(request):
    return request.param


def state(model: nn.Module) -> list:
    """Everything a method might leave changed."""
    modes = [part.training for part in model.modules()]
    flags = [parameter.requires_grad for parameter in model.parameters()]
    hooks = [len(part._forward_hooks) + len(part._backward_hooks) for part in model.modules()]
    return [modes, flags, hooks, [parameter.grad is None for parameter in model.parameters()]]


@pytest.fixture
def untidy(model):
    """A model in training mode with one part in evaluation mode and one parameter frozen."""
    model = copy.deepcopy(model).train()
    next(model.children()).eval()
    next(model.parameters()).requires_grad_(False)
    return model


def test_maps_have_the_images_shape_type_and_are_not_negative(method, model):
    images, targets = images_and_targets(3)
    maps = method(model, images, targets)
    assert maps.shape == (3, 64, 64)
    assert maps.dtype == images.dtype
    assert maps.min() >= 0
    assert not maps.requires_grad


def test_batch_of_8_equals_8_batches_of_1(method, model):
    images, _ = images_and_targets(8)
    targets = likely_targets(model, images)
    whole = method(model, images, targets)
    single = torch.cat([method(model, images[i : i + 1], targets[i : i + 1]) for i in range(8)])
    assert relative_error(single, whole) < 1e-5


def test_leaves_the_model_as_it_was(method, untidy):
    images, targets = images_and_targets(2)
    before, weights = state(untidy), copy.deepcopy(untidy.state_dict())
    method(untidy, images, targets)
    assert state(untidy) == before
    for name, value in untidy.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_leaves_the_model_as_it_was_after_a_wrong_target(method, untidy):
    images, _ = images_and_targets(2)
    before = state(untidy)
    with pytest.raises(ValueError, match="class indices from 0 to 4"):
        method(untidy, images, torch.tensor([0, 5]))
    assert state(untidy) == before


def test_leaves_the_model_as_it_was_after_the_model_fails(method, untidy, monkeypatch):
    images, targets = images_and_targets(2)
    before = state(untidy)

    def fail(features):
        raise RuntimeError("broken head")

    monkeypatch.setattr(untidy, "forward_head", fail)
    with pytest.raises(RuntimeError, match="broken head"):
        method(untidy, images, targets)
    assert state(untidy) == before


def test_the_model_in_training_mode_gives_the_maps_of_evaluation_mode(method, model, untidy):
    images, targets = images_and_targets(2)
    assert torch.equal(method(untidy, images, targets), method(model, images, targets))


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_works_where_gradients_are_off(method, model, mode):
    images, targets = images_and_targets(2)
    expected = method(model, images, targets)
    with mode():
        images, targets = images_and_targets(2)
        found = method(model, images, targets)
    assert torch.equal(found, expected)


def test_never_runs_the_decoder(method):
    class WithDecoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network("resnet18")
            self.decoded = 0

        def forward_features(self, images):
            return self.network.forward_features(images)

        def forward_head(self, features):
            return self.network.forward_head(features)

        def decode(self, features, size):
            self.decoded += 1

        def forward(self, images):
            self.decoded += 1

    model = WithDecoder()
    images, targets = images_and_targets(1)
    method(model, images, targets)
    assert model.decoded == 0


def test_one_target_for_several_images_is_an_error(method, model):
    images, _ = images_and_targets(3)
    with pytest.raises(ValueError, match="one class index for each of the 3 images"):
        method(model, images, torch.tensor([1]))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32])
def test_targets_may_be_any_whole_number(method, model, dtype):
    images, targets = images_and_targets(2)
    assert torch.equal(method(model, images, targets.to(dtype)), method(model, images, targets))


def test_truth_values_are_no_targets(method, model):
    with pytest.raises(ValueError, match=r"torch.bool, expected one class index"):
        method(model, torch.rand(1, 3, 64, 64), torch.tensor([True]))


def test_uint8_images_are_an_error(method, model):
    with pytest.raises(ValueError, match=r"uint8, expected floating"):
        method(model, torch.zeros(1, 3, 64, 64, dtype=torch.uint8), torch.tensor([0]))


def test_the_caller_s_autocast_does_not_reach_the_maps(method, model):
    images, targets = images_and_targets(2)
    expected = method(model, images, targets)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(method(model, images, targets), expected)


@pytest.mark.skipif(not hasattr(torch.backends.cuda.matmul, "fp32_precision"), reason="before torch 2.9")
@pytest.mark.parametrize(
    "lower",
    [
        lambda: torch.set_float32_matmul_precision("medium"),
        lambda: setattr(torch.backends.cuda.matmul, "fp32_precision", "tf32"),
    ],
    ids=["by the older switch", "by the newer switch"],
)
def test_reduced_precision_is_off_while_explaining_and_back_afterwards(method, lower):
    seen = []
    backends = torch.backends
    parts = (backends.cuda.matmul, backends.cudnn.conv, backends.mkldnn.matmul, backends.mkldnn.conv)

    def precisions():
        return [part.fp32_precision for part in parts]

    class Watching(nn.Module):
        def forward_features(self, images):
            seen.append(precisions())
            return images

        def forward_head(self, features):
            return features.mean(dim=(2, 3))

    before = precisions()
    try:
        lower()
        lowered = precisions()
        assert "ieee" not in lowered
        method(Watching(), torch.rand(1, 3, 8, 8), torch.tensor([0]))
        assert [now for now in seen if now != ["ieee"] * 4] == []
        assert seen
        assert precisions() == lowered
    finally:
        for part, precision in zip(parts, before, strict=True):
            part.fp32_precision = precision


def test_a_model_made_in_inference_mode_is_refused_in_words(method):
    with torch.inference_mode():
        made = timm.create_model("resnet18", num_classes=5).eval()
    images, targets = images_and_targets(2)
    with pytest.raises(ValueError, match=r"^model: its parameters or buffers were made in inference mode"):
        method(made, images, targets)
