"""Plain calls on many images work with a frozen copy of the model, which is never that of another model."""

import copy
import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from xairank.attribution import FrozenModel, GradCAM, IntegratedGradients, Saliency, explain
from xairank.attribution.acceleration import automatic
from xairank.attribution.acceleration.automatic import REPAYS, REUSED, accelerated

METHOD = IntegratedGradients(n_steps=16)
IMAGES = torch.rand(8, 3, 24, 24, generator=torch.Generator().manual_seed(0))
TARGETS = torch.zeros(8, dtype=torch.long)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.activation = nn.SiLU()
        self.block = nn.Conv2d(8, 8, 3, padding=1)
        self.head = nn.Linear(8, 3)
        self.scale = 1.0

    def forward_features(self, images):
        return self.activation(self.block(self.activation(self.norm(self.stem(images))))) * self.scale

    def forward_head(self, features):
        return self.head(features.mean(dim=(2, 3)))


@pytest.fixture
def model():
    network = Network().train()
    for _ in range(5):
        network.forward_features(IMAGES)
    return network.eval()


def copied(model, images=IMAGES, passes=REPAYS):
    return accelerated(model, images, passes)


def largest_difference(first, second):
    return float((first - second).abs().max() / second.abs().max())


def test_a_call_with_much_work_is_done_by_a_frozen_copy_with_the_same_maps(model, monkeypatch):
    seen = []
    original = FrozenModel.forward_rest
    monkeypatch.setattr(FrozenModel, "forward_rest", lambda *args: seen.append(1) or original(*args))
    plain = METHOD(model, IMAGES, TARGETS, accelerate=False)
    assert not seen
    fast = METHOD(model, IMAGES, TARGETS)
    assert seen
    assert 0 < largest_difference(fast, plain) < 1e-4  # folded: rounded otherwise


def test_little_work_is_done_by_the_model_unless_there_is_a_copy(model):
    assert copied(model, passes=REPAYS - 1) is model
    frozen = copied(model)
    assert isinstance(frozen, FrozenModel)
    assert copied(model, passes=REUSED) is frozen
    assert copied(model, passes=REUSED - 1) is model
    assert copied(frozen) is frozen


def change_weight(model):
    model.block.weight.data.view(-1)[7] *= 1.5  # unknown to autograd's count of changes


def change_buffer(model):
    model.norm.running_mean[3] += 0.25


def change_module(model):
    model.activation = nn.ReLU()


def change_option(model):
    model.norm.eps = 0.1


def change_attribute(model):
    model.scale = 2.0


def change_function(model):
    model.forward_head = lambda features: model.head(features.amax(dim=(2, 3)))


CHANGES = [change_weight, change_buffer, change_module, change_option, change_attribute, change_function]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_model_is_noticed(model, change):
    before = METHOD(model, IMAGES, TARGETS)
    change(model)
    expected = METHOD(model, IMAGES, TARGETS, accelerate=False)
    assert largest_difference(before, expected) > 1e-3
    assert largest_difference(METHOD(model, IMAGES, TARGETS), expected) < 1e-4


def test_weights_that_become_shared_are_noticed(model):
    model.norm = nn.Identity()  # whose count of batches, an integer, would be met in another place
    frozen = copied(model)
    model.stem.bias = model.block.bias
    assert copied(model) is not frozen
    assert largest_difference(METHOD(model, IMAGES, TARGETS), METHOD(model, IMAGES, TARGETS, accelerate=False)) < 1e-4


def test_values_are_joined_by_type_so_that_an_accelerator_compares_once(model):
    joined = automatic._joined(automatic._tensors(model))
    assert [one.dtype for one in joined] == [torch.float32, torch.int64]
    expected = torch.cat([one.flatten() for one in model.state_dict().values() if one.is_floating_point()])
    assert torch.equal(joined[0].sort().values, expected.sort().values)


def test_training_on_makes_another_copy_and_gradients_still_flow(model):
    first = METHOD(model, IMAGES, TARGETS)
    optimizer = torch.optim.SGD(model.parameters(), lr=5.0)
    model.train()
    model.forward_head(model.forward_features(IMAGES)).square().sum().backward()
    optimizer.step()
    assert model.block.weight.grad is not None
    second = METHOD(model, IMAGES, TARGETS)
    assert model.training
    assert largest_difference(first, second) > 1e-3
    assert largest_difference(second, METHOD(copy.deepcopy(model), IMAGES, TARGETS, accelerate=False)) < 1e-4


def test_images_of_another_size_or_type_have_a_copy_of_their_own(model):
    first = copied(model)
    assert copied(model, IMAGES[..., :16]) is not first
    model.double()
    assert copied(model, IMAGES.double()).forward_features(IMAGES.double()).dtype == torch.float64


def test_a_copy_dies_with_its_model(model):
    frozen = weakref.ref(copied(model))
    assert frozen() is not None
    kept = len(automatic._kept)
    del model
    gc.collect()
    assert len(automatic._kept) <= kept  # the fixture holds the model still


def test_nothing_else_holds_the_model():
    network = Network().eval()
    alive = weakref.ref(network)
    frozen = weakref.ref(copied(network))
    del network
    gc.collect()
    assert alive() is None
    assert frozen() is None


def test_hooks_are_called_by_their_own_model_alone(model):
    called = []
    model.block.register_forward_hook(lambda *_: called.append(1))
    METHOD(model, IMAGES, TARGETS)
    assert called
    assert copied(model) is model


def test_a_network_that_cannot_be_traced_is_explained_as_it_is(model, caplog):
    class Unruly(Network):
        def forward_features(self, images):
            return super().forward_features(images if images.sum() > -1e9 else -images)

    unruly = Unruly().eval()
    assert copied(unruly) is unruly
    assert copied(unruly) is unruly
    assert not caplog.records  # nobody asked for a copy
    assert METHOD(unruly, IMAGES, TARGETS).isfinite().all()


def test_a_callable_gets_the_model_itself(model):
    got = []

    def center(network, images, targets):
        got.append(network)
        return images.sum(dim=1)

    explain({"ig": METHOD, "own": center}, model, IMAGES, TARGETS)
    assert all(network is model for network in got)


def test_threads_share_a_copy(model):
    methods = {"gradcam": GradCAM(), "saliency": Saliency(), "ig": METHOD}
    expected = explain(methods, model, IMAGES, TARGETS)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: explain(methods, model, IMAGES, TARGETS), range(8)))
    for one in found:
        for name in methods:
            assert torch.equal(one[name][0], expected[name][0]), name
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_threads_share_a_model_and_leave_it_as_it_was(model):
    model.train()
    expected = Saliency()(model, IMAGES, TARGETS, accelerate=False)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: Saliency()(model, IMAGES, TARGETS, accelerate=False), range(16)))
    assert all(torch.equal(one, expected) for one in found)
    assert all(part.training for part in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())
