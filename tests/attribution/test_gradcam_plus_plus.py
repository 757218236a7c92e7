import pytest
import pytorch_grad_cam
import torch
from torch import nn

from tests.attribution.cams import CASES, SIZE, Case
from tests.attribution.networks import relative_error
from xairank.attribution import GradCAMPlusPlus
from xairank.models.adapt import adapt


def by_the_paper(features, gradients):
    """Chattopadhyay et al., Eq. 19, a weight at a time."""
    maps = torch.zeros_like(features[:, 0])
    for image, (channels, slopes) in enumerate(zip(features, gradients, strict=True)):
        for channel, slope in zip(channels, slopes, strict=True):
            total = float(channel.sum())
            weight = 0.0
            for g in slope.flatten().tolist():
                alpha = g**2 / (2 * g**2 + total * g**3) if g else 0.0
                weight += alpha * max(g, 0.0)
            maps[image] += weight * channel
    return maps.clamp(min=0)


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_is_the_paper_s_formula(case):
    """Not torchcam's: version 0.5 divides a copy by the denominator of alpha, so that its alpha is the square alone."""
    case = Case(*case)
    expected = by_the_paper(case.features, case.gradients)
    assert (expected.amax(dim=(1, 2)) > 0).all()
    assert relative_error(case.ours(GradCAMPlusPlus()), expected) < 1e-8


class Scaled(nn.Module):
    """A network with larger logits."""

    def __init__(self, model, factor):
        super().__init__()
        self.model, self.factor = model, factor

    def forward(self, images):
        return self.factor * self.model(images)


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_equals_pytorch_grad_cam_where_gradients_are_large(case):
    """It adds 1e-6 to the denominator, which is more than the square of most gradients as they are."""
    case = Case(*case)
    case.model, case.layer = Scaled(case.model, 1e6), f"model.{case.layer}"
    found = case.ours(GradCAMPlusPlus())
    assert relative_error(found, case.pytorch_grad_cam(pytorch_grad_cam.GradCAMPlusPlus)) < 1e-4


def test_alpha_is_made_of_the_derivatives_of_the_exponential_of_the_score():
    """Where the score is linear in the feature map, against second and third derivatives by autograd."""
    case = Case("torchvision resnet18", "layer4", count=1)
    features, channel, place = case.features[0], 7, (0, 1)
    row = case.model.fc.weight.detach()[case.targets[0]]

    def exponential(value):
        moved = features.clone()
        moved[channel][place] = value
        return (moved.mean(dim=(1, 2)) @ row).exp()

    value = features[channel][place].clone().requires_grad_()
    derivatives = [exponential(value)]
    for _ in range(3):
        derivatives.append(torch.autograd.grad(derivatives[-1], value, create_graph=True)[0])
    _, _, second, third = derivatives
    alpha = second / (2 * second + features[channel].sum() * third)
    g = case.gradients[0, channel][place]
    torch.testing.assert_close(1 / (2 + features[channel].sum() * g), alpha.detach())


def test_small_gradients_do_not_underflow():
    case = Case("torchvision resnet18", "layer4")
    tiny = adapt(Scaled(case.model, 1e-30).float(), "model.layer4", image_size=SIZE).eval()
    maps = GradCAMPlusPlus()(tiny, case.images.float(), case.targets)
    case.model.double()
    assert (maps.amax(dim=(1, 2)) > 0).all()
