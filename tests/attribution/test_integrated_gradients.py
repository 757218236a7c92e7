import pytest
import torch
from torch import nn

from tests.attribution.networks import images_and_targets, network, relative_error
from xairank.attribution import IntegratedGradients


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
    method = IntegratedGradients(n_steps=4, rule=rule, baseline=baseline, batch_limit=5)
    maps, diagnostics = method.with_diagnostics(model, images, targets)
    torch.testing.assert_close(maps, expected)
    torch.testing.assert_close(diagnostics["completeness_error"], torch.zeros(3), rtol=0, atol=1e-4)


def test_the_batch_limit_does_not_change_the_result():
    model, (images, targets) = network("efficientnet_b0"), images_and_targets(3)
    expected = IntegratedGradients(n_steps=9, batch_limit=64)(model, images, targets)
    for limit in (1, 7):
        found = IntegratedGradients(n_steps=9, batch_limit=limit)(model, images, targets)
        assert relative_error(found, expected) < 1e-5, limit


def test_no_pass_is_larger_than_the_batch_limit():
    sizes = []

    class Recording(Quadratic):
        def forward_features(self, images):
            sizes.append(len(images))
            return super().forward_features(images)

    IntegratedGradients(n_steps=10, batch_limit=4)(
        Recording(), torch.rand(5, 3, 6, 6), torch.zeros(5, dtype=torch.long)
    )
    assert max(sizes) == 4


def test_the_completeness_error_falls_with_the_number_of_steps():
    model, (images, targets) = network("resnet18", dtype=torch.float64), images_and_targets(2, torch.float64)
    errors = [
        IntegratedGradients(n_steps=steps).with_diagnostics(model, images, targets)[1]["completeness_error"].mean()
        for steps in (1, 4, 16, 64)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "simpson"}, "rule=simpson is not allowed: expected gauss_legendre or midpoint or trapezoid"),
        ({"baseline": "noise"}, "baseline=noise is not allowed: expected black"),
        ({"n_steps": 0}, "n_steps=0 is not allowed: expected a whole number of at least 1"),
        ({"batch_limit": 1.5}, "batch_limit=1.5 is not allowed"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        IntegratedGradients(**options)
