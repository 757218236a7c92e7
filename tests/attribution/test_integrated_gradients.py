import pytest
import torch
from torch import nn

from tests.attribution.networks import images_and_targets, network, relative_error
from xairank.attribution import IntegratedGradients, explain
from xairank.attribution.integrated_gradients import LADDER
from xairank.attribution.path import BASELINES


def integrate(model, images, targets, **options):
    """Maps and diagnostics."""
    return explain({"": IntegratedGradients(**options)}, model, images, targets)[""]


class Quadratic(nn.Module):
    """Logit c is ``sum(a_c x^2)``: the integral of its gradient from b to x is ``a_c (x + b)`` exactly."""

    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0)))

    def forward_features(self, images):
        return images**2

    def forward_head(self, features):
        return torch.einsum("bchw,kchw->bk", features, self.a)


@pytest.mark.parametrize("rule", ["gauss_legendre", "midpoint", "trapezoid"])
@pytest.mark.parametrize(("baseline", "value"), [("black", 0.0), ("white", 1.0)])
def test_equals_the_closed_form_of_a_quadratic_model(rule, baseline, value):
    model, images, targets = Quadratic(), torch.rand(3, 3, 6, 6), torch.tensor([1, 0, 1])
    expected = (model.a[targets] * (images**2 - value**2)).abs().sum(dim=1).detach()
    maps, diagnostics = integrate(model, images, targets, n_steps=4, rule=rule, baseline=baseline)
    torch.testing.assert_close(maps, expected)
    torch.testing.assert_close(diagnostics["completeness_error"], torch.zeros(3), rtol=0, atol=1e-4)


def test_the_batch_limit_does_not_change_the_result():
    model, (images, targets) = network("efficientnet_b0"), images_and_targets(3)
    methods = {"": IntegratedGradients(n_steps=9)}
    expected = explain(methods, model, images, targets, batch_limit=64)[""][0]
    for limit in (1, 7):
        found = explain(methods, model, images, targets, batch_limit=limit)[""][0]
        assert relative_error(found, expected) < 1e-5, limit


def test_no_pass_is_larger_than_the_batch_limit():
    sizes = []

    class Recording(Quadratic):
        def forward_features(self, images):
            sizes.append(len(images))
            return super().forward_features(images)

    images, targets = torch.rand(5, 3, 6, 6), torch.zeros(5, dtype=torch.long)
    explain({"": IntegratedGradients(n_steps=10)}, Recording(), images, targets, batch_limit=4)
    assert max(sizes) == 4


def test_the_completeness_error_falls_with_the_number_of_steps():
    model, (images, targets) = network("resnet18", dtype=torch.float64), images_and_targets(2, torch.float64)
    errors = [
        integrate(model, images, targets, n_steps=steps)[1]["completeness_error"].mean() for steps in (1, 4, 16, 64)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "simpson"}, "rule=simpson is not allowed: expected gauss_legendre or midpoint or trapezoid"),
        ({"baseline": "noise"}, "baseline=noise is not allowed: expected black"),
        ({"n_steps": 0}, "n_steps=0 is not allowed: expected a whole number of at least 1"),
        ({"n_steps": "many"}, "n_steps=many is not allowed: expected a whole number of at least 1, or auto"),
        ({"tolerance": 0}, "tolerance=0 is not allowed: expected a number greater than 0"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        IntegratedGradients(**options)


def test_uniform_averages_the_closed_form_over_its_draws():
    model, images, targets = Quadratic(), torch.rand(2, 3, 6, 6), torch.tensor([1, 0])
    squares = torch.stack([draw**2 for draw in BASELINES["uniform"](images)]).mean(dim=0)
    expected = (model.a[targets] * (images**2 - squares)).abs().sum(dim=1).detach()
    # Gradients along a path from b are a_c (x + b): times (x - b), averaged over b, this is a_c (x^2 - mean of b^2).
    maps, diagnostics = integrate(model, images, targets, n_steps=2, baseline="uniform")
    torch.testing.assert_close(maps, expected)
    torch.testing.assert_close(diagnostics["completeness_error"], torch.zeros(2), rtol=0, atol=1e-4)


@pytest.mark.parametrize("baseline", ["mean_color", "blurred"])
def test_a_baseline_of_each_image_gives_the_closed_form(baseline):
    model, images, targets = Quadratic(), torch.rand(5, 3, 6, 6), torch.tensor([1, 0, 1, 1, 0])
    start = BASELINES[baseline](images)[0]
    expected = (model.a[targets] * (images**2 - start**2)).abs().sum(dim=1).detach()
    torch.testing.assert_close(integrate(model, images, targets, n_steps=3, baseline=baseline)[0], expected)


class Oscillating(nn.Module):
    """Logit c is ``sum(sin(30 (c + 1) x))``: the brighter the image, the more steps its path needs."""

    def forward_features(self, images):
        return torch.stack([torch.sin(30 * (c + 1) * images).sum(dim=1) for c in range(2)], dim=1)

    def forward_head(self, features):
        return features.mean(dim=(2, 3))


def test_auto_takes_each_image_s_fewest_steps_whatever_its_batch():
    brightness = torch.tensor([0.05, 1.0, 0.2, 0.6, 0.01, 3.0], dtype=torch.float64).view(-1, 1, 1, 1)
    model, targets = Oscillating(), torch.tensor([0, 1, 0, 1, 0, 1])
    images = images_and_targets(6, torch.float64, size=4)[0] * brightness
    errors = {steps: integrate(model, images, targets, n_steps=steps)[1]["completeness_error"] for steps in LADDER}
    expected = [next((s for s in LADDER if errors[s][i] <= 1e-6), LADDER[-1]) for i in range(6)]
    assert len(set(expected)) > 3
    maps, diagnostics = integrate(model, images, targets, n_steps="auto", tolerance=1e-6)
    assert diagnostics["n_steps"].tolist() == expected
    for image, steps in enumerate(expected):
        assert diagnostics["completeness_error"][image] == pytest.approx(errors[steps][image].item(), abs=1e-12)
        single = integrate(model, images[image, None], targets[image, None], n_steps=steps)[0]
        assert relative_error(maps[image, None], single) < 1e-8
