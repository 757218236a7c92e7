import copy
from itertools import pairwise

import pytest
import torch
from torch import nn

from tests.attribution.networks import network
from xairank.attribution.protocol import as_parts
from xairank.experiment.randomised import N_STAGES, randomised_networks

IMAGES = torch.rand(6, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def made():
    original = network("resnet18")
    before = copy.deepcopy(original.state_dict())
    return original, before, randomised_networks(original, IMAGES, seed=1)


def changed(one, other):
    """Names of the modules whose weights differ."""
    return {
        name.rpartition(".")[0]
        for (name, first), second in zip(one.named_parameters(), other.parameters(), strict=True)
        if not torch.equal(first, second)
    }


def test_stages_go_from_the_head_down_to_the_first_layer(made):
    original, _, networks = made
    assert len(networks) == N_STAGES
    assert changed(original, networks[0][1]) == {"fc"}
    found = [changed(original, one) for _, one in networks]
    assert all(fewer < more for fewer, more in pairwise(found))
    assert "conv1" not in found[-2]
    with_weights = {name.rpartition(".")[0] for name, _ in original.named_parameters()}
    # A batch norm's scale and shift are 1 and 0 before and after; convolutions and the head are all new.
    assert {name for name in with_weights if "bn" not in name and "downsample.1" not in name} <= found[-1]
    assert networks[0][0] == "fc"
    assert networks[-1][0].endswith("to conv1")


def test_the_network_is_left_as_it_is_and_one_seed_fixes_the_weights(made):
    original, before, networks = made
    assert all(torch.equal(value, before[name]) for name, value in original.state_dict().items())
    state = torch.get_rng_state()
    again = randomised_networks(original, IMAGES, seed=1)[-1][1]
    assert torch.equal(torch.get_rng_state(), state)
    other = randomised_networks(original, IMAGES, seed=2)[-1][1]
    last = networks[-1][1]
    assert all(torch.equal(a, b) for a, b in zip(last.state_dict().values(), again.state_dict().values(), strict=True))
    assert not torch.equal(last.conv1.weight, other.conv1.weight)


def test_batch_norms_know_the_activations_that_they_see(made):
    last = made[2][-1][1]
    inputs = []
    norm = last.layer4[1].bn2
    handle = norm.register_forward_hook(lambda module, given, output: inputs.append(given[0]))
    with torch.no_grad():
        last.forward_head(*as_parts(last.forward_features(IMAGES)))
    handle.remove()
    # They were measured in one pass in which the norms before were measured too, so only nearly the same.
    mean = inputs[0].mean(dim=(0, 2, 3))
    assert (norm.running_mean - mean).norm() < 0.2 * mean.norm()
    assert not norm.training


def test_weights_without_a_rule_are_shuffled():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.arange(48.0).view(3, 4, 4))
            self.head = nn.Linear(3, 2)

        def forward_features(self, images):
            return images * self.scale

        def forward_head(self, features):
            return self.head(features.mean(dim=(2, 3)))

    model = Scaled()
    last = randomised_networks(model, torch.rand(2, 3, 4, 4), seed=0)[-1][1]
    assert not torch.equal(last.scale, model.scale)
    assert torch.equal(last.scale.flatten().sort().values, model.scale.flatten())


def test_the_head_of_a_transformer_is_the_first_stage_and_its_embeddings_are_the_last():
    inner = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    class Tokens(nn.Module):
        """As vision transformers are: a parameter of the whole, beside the layers."""

        def __init__(self):
            super().__init__()
            self.positions = nn.Parameter(torch.rand(16, 8))
            self.embed, self.block, self.head = nn.Conv2d(3, 8, 16, 16), inner, nn.Linear(8, 4)

        def forward(self, images):
            tokens = self.embed(images).flatten(2).transpose(1, 2) + self.positions
            return self.head(self.block(tokens).mean(dim=1))

    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = Tokens()

        def forward_features(self, images):
            return images

        def forward_head(self, images):
            return self.network(images)

    original = Wrapped().eval()
    networks = randomised_networks(original, IMAGES, seed=1)
    assert networks[0][0] == "network.head"
    assert changed(original, networks[0][1]) == {"network.head"}
    assert not any("network" in changed(original, one) for _, one in networks[:-1])
    assert {"network", "network.embed", "network.block.self_attn"} <= changed(original, networks[-1][1])
