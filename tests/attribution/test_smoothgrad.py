import captum.attr
import torch

from tests.attribution.networks import images_and_targets, relative_error
from tests.attribution.small_networks import relu_network
from xairank.attribution import SmoothGrad, explain, freeze
from xairank.attribution.forward_pass import ForwardPass


def brute_force(model, images, targets, **options):
    """One pass a noisy image, with the method's own noise."""
    method = SmoothGrad(**options)
    samples = method.noisy(ForwardPass(model, images, targets, 8))
    maps = []
    for image, target in enumerate(targets):
        noisy = samples(image, slice(0, method.n_samples)).requires_grad_()
        (gradients,) = torch.autograd.grad(model(noisy)[:, target].sum(), noisy)
        maps.append(gradients.mean(dim=0).abs().amax(dim=0))
    return torch.stack(maps)


def test_equals_brute_force_on_a_frozen_network_whatever_the_batch():
    model, (images, targets) = relu_network(), images_and_targets(2, torch.float64, size=8)
    targets = targets % 4
    expected = brute_force(model, images, targets, n_samples=5, seed=3)
    for limit in (1, 3, 64):
        methods = {"": SmoothGrad(n_samples=5, seed=3)}
        found = explain(methods, freeze(model, images), images, targets, batch_limit=limit)[""][0]
        assert relative_error(found, expected) < 1e-8, limit


def test_agrees_with_captum_but_for_the_draws():
    model, (images, targets) = relu_network(), images_and_targets(1, torch.float64, size=8)
    targets = targets % 4
    spread = 0.15 * float(images.max() - images.min())
    torch.manual_seed(0)
    tunnel = captum.attr.NoiseTunnel(captum.attr.Saliency(model))
    expected = (
        tunnel.attribute(images, nt_type="smoothgrad", nt_samples=3000, stdevs=spread, target=targets, abs=False)
        .abs()
        .amax(dim=1)
    )
    found = SmoothGrad(n_samples=3000)(model, images, targets)
    assert relative_error(found, expected) < 0.1
