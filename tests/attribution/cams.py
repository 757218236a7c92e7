"""Networks, layers and reference libraries for class activation maps; torchcam and pytorch_grad_cam hook the layer."""

import functools

import numpy as np
import torch
import torchvision
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from tests.attribution.networks import images_and_targets, likely_targets, network
from xairank.attribution import explain
from xairank.models.adapt import adapt

SIZE = 64
# Of each network the last layer and an earlier one; those of the second give signed maps and have a head with layers.
CASES = [
    ("torchvision resnet18", "layer4"),
    ("torchvision resnet18", "layer2"),
    ("mobilenetv3_small_050", "blocks"),
    ("mobilenetv3_small_050", "bn1"),
]


@functools.cache
@torch.inference_mode(False)
def double_network(name):
    if not name.startswith("torchvision"):
        return network(name, dtype=torch.float64)
    torch.manual_seed(0)
    return torchvision.models.resnet18(num_classes=5).double().eval()


class Case:
    """A network, a layer, images and their predicted classes; features and gradients at the layer, by autograd."""

    def __init__(self, model, layer, count=2):
        self.model, self.layer = double_network(model) if isinstance(model, str) else model, layer
        self.images = images_and_targets(count, torch.float64, SIZE)[0]
        self.targets = likely_targets(self.model, self.images)
        outputs = []
        handle = self.model.get_submodule(layer).register_forward_hook(lambda m, i, output: outputs.append(output))
        logits = self.model(self.images.clone().requires_grad_())
        handle.remove()
        (self.gradients,) = torch.autograd.grad(logits.gather(1, self.targets[:, None]).sum(), outputs)
        self.features = outputs[0].detach()

    def ours(self, method):
        """The coarse map of a method at the layer, (B, h, w)."""
        adapted = adapt(self.model, self.layer, image_size=SIZE).eval()
        return explain({"": method}, adapted, self.images, self.targets)[""][1]["class_activation"]

    def torchcam(self, extractor, **options):
        """The coarse map of a class of torchcam."""
        with extractor(self.model, self.layer, input_shape=(3, SIZE, SIZE), **options) as cam:
            scores = self.model(self.images.clone().requires_grad_())
            return cam(self.targets.tolist(), scores, normalized=False)[0]

    def pytorch_grad_cam(self, extractor):
        """The coarse map of a class of pytorch_grad_cam, before it is scaled to [0, 1] in float32."""
        wanted = [ClassifierOutputTarget(target) for target in self.targets.tolist()]
        layer = self.model.get_submodule(self.layer)
        with extractor(self.model, [layer]) as cam:
            cam(self.images, wanted)
            features = cam.activations_and_grads.activations[0].numpy()
            gradients = cam.activations_and_grads.gradients
            gradients = gradients[0].numpy() if gradients else None
            coarse = cam.get_cam_image(self.images, layer, wanted, features, gradients, False)
        for parameter in self.model.parameters():
            parameter.grad = None
        return torch.from_numpy(np.maximum(coarse, 0)).to(self.images)


class Small(nn.Module):
    """Eight feature maps, of the image's size or pooled to two by two: sizes at which libraries upsample alike."""

    def __init__(self, size):
        super().__init__()
        torch.manual_seed(0)
        pool = nn.Identity() if size is None else nn.AdaptiveAvgPool2d(size)
        self.layer = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), pool, nn.Softplus())
        self.classify = nn.Linear(8, 5)

    def forward(self, images):
        return 30 * self.classify(self.layer(images).square().mean(dim=(2, 3)))
