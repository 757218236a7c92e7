"""Against the product of the attention matrices, written out."""

import pytest
import torch
from torch.nn import functional

from tests.attribution.networks import network, relative_error
from tests.attribution.test_attention import by_hand, samples, transformer
from xairank.attribution import AttentionRollout, explain, freeze


def upsampled(relevance):
    return functional.interpolate(relevance.view(-1, 1, 4, 4), (32, 32), mode="bilinear")[:, 0]


@pytest.mark.parametrize("options", [{"global_pool": "token"}, {"global_pool": "avg"}, {"reg_tokens": 2}])
def test_equals_the_product_of_all_layers(options):
    model, (images, targets) = transformer(**options), samples()
    weights, _, _ = by_hand(model, images, targets)
    rollout = torch.eye(weights[0].shape[2], dtype=torch.float64)
    for layer in weights:
        rollout = (layer.mean(dim=1) / 2 + torch.eye(layer.shape[2]) / 2) @ rollout
    prefix = model.num_prefix_tokens
    rows = rollout[:, prefix:].mean(dim=1) if options.get("global_pool") == "avg" else rollout[:, 0]
    maps, diagnostics = explain({"": AttentionRollout()}, freeze(model, images), images, targets)[""]
    torch.testing.assert_close(diagnostics["class_activation"].flatten(1), rows[:, prefix:])
    assert relative_error(maps, upsampled(rows[:, prefix:])) < 1e-9


def test_the_batch_cut_does_not_count_and_costs_are_told():
    model, (images, targets) = transformer(), samples()
    costs = {}
    maps, _ = explain({"": AttentionRollout()}, model, images, targets, costs=costs)[""]
    cut, _ = explain({"": AttentionRollout()}, model, images, targets, batch_limit=1)[""]
    torch.testing.assert_close(cut, maps)
    assert costs[""].passes == 3 * 3


def test_a_network_without_attention_is_refused_in_words():
    images, targets = samples()
    with pytest.raises(ValueError, match=r"^attention: ResNet cannot be explained: the method needs layers in which"):
        explain({"rollout": AttentionRollout()}, network("resnet18"), images.float(), targets)
