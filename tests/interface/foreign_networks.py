"""Networks of other libraries and of one's own, with random weights, and real images with masks for them."""

import numpy as np
import timm
import torch
import torchvision
from PIL import Image
from torch import nn
from transformers import ViTConfig, ViTForImageClassification

CLASSES = ["break", "crack", "fray"]


class Odd(nn.Module):
    """Gives a dictionary, and has a loop whose length depends on values, which torch.fx cannot trace."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 12, 5, stride=4), nn.ReLU())
        self.stage = nn.Sequential(nn.Conv2d(12, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(16, len(CLASSES))

    def forward(self, images):
        while images.max() > 255:
            images = images / 256
        features = self.stage(self.stem(images))
        return {"features": features, "logits": self.head(self.dropout(features.mean(dim=(2, 3))))}


class Perceptron(nn.Module):
    """No layer of it has a spatial map."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3 * 64 * 64, 16), nn.ReLU(), nn.Linear(16, len(CLASSES)))

    def forward(self, images):
        return self.layers(images.flatten(1))


def transformers_vit():
    config = ViTConfig(
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=96,
        image_size=64,
        patch_size=8,
        num_labels=len(CLASSES),
        initializer_range=0.2,
    )
    return ViTForImageClassification(config)


def of_timm(name):
    return lambda: timm.create_model(name, pretrained=False, num_classes=len(CLASSES))


def of_torchvision(name):
    return lambda: torchvision.models.get_model(name, weights=None, num_classes=len(CLASSES))


# How it is built, a seed with which no Grad-CAM is empty, and the side of its images. Those of convolutions are ranked
# in float64: at a kink of a ReLU float32 gives another gradient from time to time, whoever computes it.
CONVOLUTIONS = {
    "torchvision resnet50": (of_torchvision("resnet50"), 0, 64),
    "timm efficientnet_b0": (of_timm("efficientnet_b0"), 0, 64),
    "timm convnext_atto": (of_timm("convnext_atto"), 0, 64),
    "one's own": (Odd, 0, 64),
}
TRANSFORMERS = {
    "timm vit_small": (of_timm("vit_small_patch16_224"), 2, 224),
    "timm swin_tiny": (of_timm("swin_tiny_patch4_window7_224"), 7, 224),
    "transformers vit": (transformers_vit, 2, 64),
}
NETWORKS = CONVOLUTIONS | TRANSFORMERS


def build(make, seed=0):
    """A network as a user has it: in training mode, some weights frozen, gradients of the last step still there."""
    torch.manual_seed(seed)
    model = make().train()
    for number, parameter in enumerate(model.parameters()):
        parameter.requires_grad_(number % 2 == 0)
        parameter.grad = torch.full_like(parameter, 0.5) if number % 4 == 0 else None
    return model


def observed(model):
    """All that ranking might change of a model."""
    hooks = [name for name in vars(nn.Module()) if name.endswith("_hooks")]
    return {
        "state": {name: tensor.clone() for name, tensor in model.state_dict().items()},
        "modules": [(name, type(module), module.training) for name, module in model.named_modules()],
        "parameters": [
            (name, one.requires_grad, one.grad is None or float(one.grad.mean()), one.data_ptr())
            for name, one in model.named_parameters()
        ],
        "hooks": [(name, kind, len(getattr(module, kind))) for name, module in model.named_modules() for kind in hooks],
        "attributes": [sorted(vars(module)) for module in model.modules()],
    }


def assert_unchanged(model, before):
    after = observed(model)
    state = before.pop("state")
    assert all(torch.equal(tensor, state.pop(name)) for name, tensor in after.pop("state").items())
    assert not state
    assert after == before


def tiles(shared, label, count):
    """Paths of images and masks of real defects."""
    place = shared / "data" / "magnetic_tile"
    images = sorted((place / "images" / label).iterdir())[:count]
    return [(path, place / "masks" / label / f"{path.stem}.png") for path in images]


def loaded(paths, size):
    """Images (N, 3, size, size) in [0, 1] and masks (N, size, size)."""
    images, masks = [], []
    for image, mask in paths:
        with Image.open(image) as picture:
            pixels = np.asarray(picture.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
        with Image.open(mask) as picture:
            inside = np.asarray(picture.convert("L").resize((size, size), Image.Resampling.BOX)) > 0
        images.append(torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 255)
        masks.append(torch.from_numpy(inside))
    return torch.stack(images), torch.stack(masks)


def named(name):
    """One of ``NETWORKS`` by name, for a command that builds it."""
    make, seed, _ = NETWORKS[name]
    return build(make, seed)
