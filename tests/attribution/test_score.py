import pytest
import torch
from torch import nn

from xairank.attribution import IntegratedGradients, Saliency
from xairank.attribution.score import contrast, logit, probability

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0]], dtype=torch.float64)
TARGETS = torch.tensor([0, 2])


def test_values_by_hand():
    assert logit(LOGITS, TARGETS).tolist() == [2.0, 1.0]
    assert contrast(LOGITS, TARGETS).tolist() == [1.5, -2.0]
    expected = [row.exp()[target] / row.exp().sum() for row, target in zip(LOGITS, TARGETS, strict=True)]
    torch.testing.assert_close(probability(LOGITS, TARGETS), torch.stack(expected))


class Linear(nn.Module):
    """Logits that are linear in the image, so that the gradient of each score is known."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.randn(3, 3, 6, 6, generator=torch.Generator().manual_seed(0)).double())

    def forward_features(self, images):
        return images

    def forward_head(self, features):
        return torch.einsum("bchw,kchw->bk", features, self.weights)


def test_gradients_are_those_of_the_score():
    model, images = Linear(), torch.rand(2, 3, 6, 6, dtype=torch.float64)
    targets = torch.tensor([0, 1])
    with torch.no_grad():
        logits = model.forward_head(images)
    p = logits.softmax(dim=1)
    for row, target in enumerate(targets.tolist()):
        weights = model.weights.detach()
        of_probability = p[row, target] * (weights[target] - torch.einsum("k,kchw->chw", p[row], weights))
        others = [k for k in range(3) if k != target]
        best = others[int(logits[row, others].argmax())]
        for score, gradient in (("probability", of_probability), ("contrast", weights[target] - weights[best])):
            found = Saliency(score=score)(model, images[row : row + 1], targets[row : row + 1])[0]
            torch.testing.assert_close(found, gradient.abs().amax(dim=0))


def test_the_path_of_integrated_gradients_explains_the_score_too():
    model, images = Linear(), torch.rand(1, 3, 6, 6, dtype=torch.float64)
    weights = model.weights.detach()
    target = torch.tensor([2])
    found = IntegratedGradients(n_steps=300, score="probability")(model, images, target)
    # The gradient of the probability along the path, by brute force.
    total = torch.zeros_like(images[0])
    for step in range(3000):
        point = images[0] * ((step + 0.5) / 3000)
        p = torch.einsum("chw,kchw->k", point, weights).softmax(dim=0)
        total += p[2] * (weights[2] - torch.einsum("k,kchw->chw", p, weights)) / 3000
    torch.testing.assert_close(found[0], (images[0] * total).abs().sum(dim=0), rtol=1e-4, atol=1e-8)


def test_an_unknown_score_is_named():
    with pytest.raises(ValueError, match="score=loss is not allowed: expected logit or probability or contrast"):
        Saliency(score="loss")
