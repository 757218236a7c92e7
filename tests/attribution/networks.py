"""Small networks of several families, with weights that make features and gradients far from trivial."""

import functools

import timm
import torch
from torch import Tensor, nn

# Families: residual, inverted residual with squeeze-excitation, depthwise with layer norm, a head with a convolution,
# dense connections with norms before convolutions, and grouped convolutions.
ENCODERS = ("resnet18", "efficientnet_b0", "convnext_atto", "mobilenetv3_small_050", "densenet121", "regnety_002")


@functools.cache
@torch.inference_mode(False)  # the first test to ask may be in it, and what is made there can never be differentiated
def network(name: str, dtype: torch.dtype = torch.float32) -> nn.Module:
    """A timm network of 5 classes with random weights whose batch norms saw some batches; shared, so leave it be."""
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False, num_classes=5).to(dtype)
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(torch.rand(4, 3, 64, 64, dtype=dtype))
    return model.eval()


def images_and_targets(count: int, dtype: torch.dtype = torch.float32, size: int = 64) -> tuple[Tensor, Tensor]:
    """Random images in [0, 1] and a class for each."""
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(count, 3, size, size, generator=generator, dtype=torch.float64).to(dtype)
    return images, torch.randint(0, 5, (count,), generator=generator)


def likely_targets(model: nn.Module, images: Tensor) -> Tensor:
    """The predicted classes: there is evidence for them, so their Grad-CAM maps are not all zero."""
    with torch.no_grad():
        return model(images).argmax(dim=1)


class Reference(nn.Module):
    """A network cut at its feature map, so that Captum can hook the map; otherwise the same function."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.features = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        return self.model.forward_head(self.features(self.model.forward_features(images)))


def relative_error(found: Tensor, expected: Tensor) -> float:
    """Largest difference over the largest expected value, per image, the worst image's."""
    difference = (found - expected).abs().flatten(1).amax(dim=1)
    return float((difference / expected.abs().flatten(1).amax(dim=1)).max())
