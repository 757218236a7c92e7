"""The three methods on a frozen model equal Captum's on the model itself, for six families, in both precisions."""

import captum.attr
import pytest
import torch
from torch.nn import functional

from tests.attribution.networks import ENCODERS, Reference, images_and_targets, likely_targets, network, relative_error
from xairank.attribution import GradCAM, IntegratedGradients, Saliency, explain, freeze

PRECISIONS = [(torch.float32, 1e-3), (torch.float64, 1e-8)]


@pytest.fixture(params=ENCODERS)
def encoder(request):
    return request.param


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
def test_gradcam(encoder, dtype, tolerance):
    model, (images, _) = network(encoder, dtype=dtype), images_and_targets(2, dtype)
    targets = likely_targets(model, images)
    reference = Reference(model)
    coarse = captum.attr.LayerGradCam(reference, reference.features).attribute(images, targets, relu_attributions=True)
    expected = functional.interpolate(coarse, images.shape[-2:], mode="bilinear").detach()[:, 0]
    assert (expected.amax(dim=(1, 2)) > 0).all()
    assert relative_error(GradCAM()(freeze(model, images), images, targets), expected) < tolerance


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
def test_saliency(encoder, dtype, tolerance):
    model, (images, targets) = network(encoder, dtype=dtype), images_and_targets(2, dtype)
    expected = captum.attr.Saliency(Reference(model)).attribute(images.clone(), targets, abs=True).amax(dim=1)
    assert relative_error(Saliency()(freeze(model, images), images, targets), expected) < tolerance


# Captum rounds its quadrature weights to float32, whatever the images' type. In float64 the rules compared to 1e-8 are
# those whose weights float32 holds exactly; with other weights Captum itself is not closer to the truth than 1e-7.
@pytest.mark.parametrize(
    ("dtype", "captum_rule", "rule", "n_steps", "tolerance"),
    [
        (torch.float32, "gausslegendre", "gauss_legendre", 25, 1e-3),
        (torch.float64, "gausslegendre", "gauss_legendre", 2, 1e-8),
        (torch.float64, "riemann_middle", "midpoint", 8, 1e-8),
        (torch.float64, "gausslegendre", "gauss_legendre", 8, 1e-7),
    ],
)
def test_integrated_gradients(encoder, dtype, captum_rule, rule, n_steps, tolerance):
    model, (images, targets) = network(encoder, dtype=dtype), images_and_targets(2, dtype)
    expected, delta = captum.attr.IntegratedGradients(Reference(model)).attribute(
        images, torch.zeros_like(images), targets, n_steps=n_steps, method=captum_rule, return_convergence_delta=True
    )
    if (encoder, dtype) == ("densenet121", torch.float32):
        tolerance = 1e-2  # at the kinks of its 121 ReLUs rounding decides: Captum itself is 3e-3 from its float64 maps
    methods = {"": IntegratedGradients(n_steps=n_steps, rule=rule)}
    maps, diagnostics = explain(methods, freeze(model, images), images, targets)[""]
    assert relative_error(maps, expected.abs().sum(dim=1)) < tolerance
    scale = float(expected.abs().sum(dim=(1, 2, 3)).max())
    torch.testing.assert_close(diagnostics["completeness_error"], delta.abs().to(dtype), rtol=0, atol=tolerance * scale)
