"""Against the relevance matrix of the paper, written out."""

import pytest
import torch

from tests.attribution.networks import relative_error
from tests.attribution.test_attention import by_hand, samples, transformer
from tests.attribution.test_attention_rollout import upsampled
from xairank.attribution import GradientAttentionRollout, explain, freeze


@pytest.mark.parametrize("options", [{"global_pool": "token"}, {"global_pool": "avg"}, {"reg_tokens": 2}])
def test_equals_the_paper_s_update(options):
    model, (images, targets) = transformer(**options), samples()
    weights, gradients, _ = by_hand(model, images, targets)
    identity = torch.eye(weights[0].shape[2], dtype=torch.float64).expand(3, -1, -1)
    relevance = identity
    for layer, gradient in zip(weights, gradients, strict=True):
        relevance = relevance + (layer * gradient).relu().mean(dim=1) @ relevance
    prefix = model.num_prefix_tokens
    relevance = relevance - identity
    rows = relevance[:, prefix:].mean(dim=1) if options.get("global_pool") == "avg" else relevance[:, 0]
    maps, diagnostics = explain({"": GradientAttentionRollout()}, freeze(model, images), images, targets)[""]
    torch.testing.assert_close(diagnostics["class_activation"].flatten(1), rows[:, prefix:])
    assert relative_error(maps, upsampled(rows[:, prefix:])) < 1e-9
    assert GradientAttentionRollout().obstacle(model) == ""


def test_the_explained_score_and_class_count_and_the_batch_cut_does_not():
    model, (images, targets) = transformer(), samples()
    maps, _ = explain({"": GradientAttentionRollout()}, model, images, targets)[""]
    cut, _ = explain({"": GradientAttentionRollout()}, model, images, targets, batch_limit=1)[""]
    torch.testing.assert_close(cut, maps)
    for other in (
        GradientAttentionRollout(score="contrast")(model, images, targets),
        GradientAttentionRollout()(model, images, (targets + 1) % 5),
    ):
        assert relative_error(other, maps) > 0.01
