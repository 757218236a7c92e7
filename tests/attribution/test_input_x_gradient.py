import captum.attr

from tests.attribution.networks import images_and_targets, relative_error
from tests.attribution.small_networks import relu_network
from xairank.attribution import InputXGradient, freeze


def test_equals_captum():
    model, (images, targets) = relu_network().double(), images_and_targets(3, size=16)
    images, targets = images.double(), targets % 4
    expected = captum.attr.InputXGradient(model).attribute(images.clone().requires_grad_(), targets)
    expected = expected.abs().sum(dim=1).detach()
    for same in (model, freeze(model, images)):
        assert relative_error(InputXGradient()(same, images, targets), expected) < 1e-9
