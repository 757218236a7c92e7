"""Adapted networks explained: the maps are those that Captum makes by hooks, also where more than the map crosses."""

import pytest
import timm
import torch
import torchvision
from captum.attr import IntegratedGradients as CaptumIntegratedGradients
from captum.attr import LayerGradCam
from captum.attr import Saliency as CaptumSaliency
from torch import nn

from tests.attribution.networks import relative_error
from tests.models.test_adapt import SIZE, Chunks, InPlaceBefore, InPlaceBehind, Odd, timm_model, torchvision_vit
from xairank.attribution import GradCAM, IntegratedGradients, Saliency, explain, freeze
from xairank.attribution.cam import interpolate_axis
from xairank.attribution.path import gauss_legendre
from xairank.models.adapt import adapt
from xairank.models.layers import logits_of

METHODS = {"gradcam": GradCAM(), "saliency": Saliency(), "integrated_gradients": IntegratedGradients(n_steps=4)}
MODELS = {
    "timm efficientnet_b0": timm_model("efficientnet_b0"),
    "timm convnext_atto": timm_model("convnext_atto"),
    "timm vit": timm_model("vit_tiny_patch16_224", img_size=SIZE, depth=3),
    "timm swin": timm_model("swin_tiny_patch4_window7_224", img_size=SIZE, window_size=2),
    "torchvision resnet18": lambda: torchvision.models.resnet18(num_classes=4),
    "torchvision vit": torchvision_vit,
    "torchvision googlenet": lambda: torchvision.models.googlenet(num_classes=4, init_weights=False, aux_logits=False),
    "one's own": Odd,
    "in place before the layer": InPlaceBefore,
    "chunks": Chunks,
    "in place behind the layer": InPlaceBehind,
}


class Logits(nn.Module):
    """A network as Captum wants it: images -> logits."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return logits_of(self.model(images))


@pytest.fixture(params=MODELS, scope="module")
def case(request):
    torch.manual_seed(0)
    model = MODELS[request.param]().eval().double()
    images = torch.rand(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        targets = logits_of(model(images)).argmax(dim=1)
    adapted = adapt(model, image_size=SIZE).eval()
    return model, adapted, images, targets


@pytest.mark.parametrize("frozen", [False, True])
def test_maps_are_captum_s(case, frozen):
    model, adapted, images, targets = case
    explained = freeze(adapted, images[:1]) if frozen else adapted
    found = {name: maps for name, (maps, _) in explain(METHODS, explained, images, targets).items()}
    reference = Logits(model)
    saliency = CaptumSaliency(reference).attribute(images, targets).amax(dim=1)
    assert relative_error(found["saliency"], saliency) < 1e-8
    positions, weights = gauss_legendre(4)
    integrated = torch.zeros_like(images)
    for position, weight in zip(positions, weights, strict=True):  # Captum rounds its weights to float32
        inputs = (images * position).requires_grad_()
        score = reference(inputs).gather(1, targets[:, None]).sum()
        integrated += weight * torch.autograd.grad(score, inputs)[0] * images
    assert relative_error(found["integrated_gradients"], integrated.abs().sum(dim=1)) < 1e-8
    captum = CaptumIntegratedGradients(reference).attribute(images, target=targets, n_steps=4)
    assert relative_error(found["integrated_gradients"], captum.abs().sum(dim=1)) < 1e-6


def test_gradcam_is_the_weighted_sum_at_the_layer(case):
    """By hooks on the network itself, since Captum averages the gradient of tokens and channels-last maps otherwise."""
    model, adapted, images, targets = case
    outputs = []
    layer = model.get_submodule(adapted.layer)
    handle = layer.register_forward_hook(lambda m, i, output: outputs.append(output) or output.clone())
    inputs = images.clone().requires_grad_()
    scores = logits_of(model(inputs)).gather(1, targets[:, None]).sum()
    handle.remove()
    (gradient,) = torch.autograd.grad(scores, outputs[0])
    features, gradient = (adapted.cut.layer.to_map(some.detach()) for some in (outputs[0], gradient))
    expected = (gradient.mean(dim=(2, 3), keepdim=True) * features).sum(dim=1).relu()
    expected = interpolate_axis(interpolate_axis(expected, SIZE, 1), SIZE, 2)
    found = GradCAM()(adapted, images, targets)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-12)
    if features.shape == outputs[0].shape:  # a convolutional network, where Captum's is the same
        captum = LayerGradCam(Logits(model), model.get_submodule(adapted.layer)).attribute(images, targets)
        captum = captum.squeeze(1).relu()
        captum = interpolate_axis(interpolate_axis(captum, SIZE, 1), SIZE, 2)
        torch.testing.assert_close(found, captum, rtol=1e-8, atol=1e-12)


def test_an_adapted_network_is_folded_like_one_that_speaks_the_protocol():
    torch.manual_seed(0)
    model = timm.create_model("resnet18", pretrained=False, num_classes=4).eval()
    images = torch.rand(1, 3, SIZE, SIZE)
    left = [
        sum(isinstance(part, nn.BatchNorm2d) for part in freeze(one, images)._halves.modules())
        for one in (model, adapt(model, image_size=SIZE))
    ]
    assert left == [0, 0]
