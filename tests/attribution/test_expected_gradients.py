import captum.attr
import pytest
import torch

from tests.attribution.networks import images_and_targets, relative_error
from tests.attribution.small_networks import relu_network
from xairank.attribution import ExpectedGradients, IntegratedGradients, explain, freeze
from xairank.attribution.path import BASELINES


def test_agrees_with_captum_s_gradient_shap_but_for_the_draws():
    model, (images, targets) = relu_network(), images_and_targets(4, torch.float64, size=8)
    baselines, images, targets = images[:3], images[3:], targets[3:] % 4
    torch.manual_seed(0)
    shap = captum.attr.GradientShap(model)
    expected = shap.attribute(images, baselines, n_samples=1500, target=targets).abs().sum(dim=1)
    found = ExpectedGradients(n_samples=1500, baseline=baselines)(model, images, targets)
    assert relative_error(found, expected) < 0.1


def test_with_one_baseline_it_tends_to_integrated_gradients():
    model, (images, targets) = relu_network(), images_and_targets(2, torch.float64, size=8)
    for name in ("white", "blurred"):
        expected = IntegratedGradients(n_steps=64, baseline=name)(model, images, targets % 4)
        found = ExpectedGradients(n_samples=1500, baseline=name)(model, images, targets % 4)
        assert relative_error(found, expected) < 0.1, name


class Quadratic(torch.nn.Module):
    """Logit c is ``(c + 1) sum(x^2)``, whose gradient is ``2 (c + 1) x``."""

    def forward_features(self, images):
        return images**2

    def forward_head(self, features):
        return features.sum(dim=(1, 2, 3)).view(-1, 1) * torch.tensor([1.0, 2.0])


@pytest.mark.parametrize("names", [("black", "white", "mean_color", "blurred"), ("uniform",)])
def test_baselines_are_drawn_alike(names):
    images, targets = torch.rand(2, 3, 8, 8), torch.tensor([0, 1])
    squares = [1 / 3] if names == ("uniform",) else [BASELINES[name](images)[0] ** 2 for name in names]
    expected = ((targets + 1).view(-1, 1, 1, 1) * (images**2 - sum(squares) / len(squares))).abs().sum(dim=1)
    found = ExpectedGradients(n_samples=1500, baseline=names)(Quadratic(), images, targets)
    assert relative_error(found, expected) < 0.1


def test_neither_the_batch_nor_freezing_changes_the_result():
    model, (images, targets) = relu_network(), images_and_targets(2, torch.float64, size=8)
    targets = targets % 4
    methods = {"": ExpectedGradients(n_samples=5, baseline=["uniform", "blurred", "black"])}
    expected = explain(methods, model, images, targets, batch_limit=64)[""][0]
    for limit in (1, 3):
        found = explain(methods, freeze(model, images), images, targets, batch_limit=limit)[""][0]
        assert relative_error(found, expected) < 1e-8, limit


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"baseline": "grey"}, "baseline=grey is not allowed: expected black or white"),
        ({"baseline": ["black", "grey"]}, "baseline=grey is not allowed"),
        ({"baseline": []}, "baseline= is not allowed"),
        ({"baseline": torch.zeros(3, 8, 8)}, r"baseline: found images \(3, 8, 8\), expected at least one"),
        ({"n_samples": 0}, "n_samples=0 is not allowed: expected a whole number of at least 1"),
        ({"seed": 0.5}, "seed=0.5 is not allowed"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        ExpectedGradients(**options)


def test_baselines_of_another_size_are_named():
    method = ExpectedGradients(baseline=torch.zeros(1, 3, 4, 4))
    with pytest.raises(ValueError, match=r"found images \(3, 4, 4\), expected \(3, 8, 8\)"):
        method(Quadratic(), torch.rand(1, 3, 8, 8), torch.tensor([0]))
