"""Grad-CAM."""

import torch
from torch import Tensor
from torch.nn import functional

from xairank.attribution.protocol import Diagnostics, Model, checked, explaining, target_logits


class GradCAM:
    """Gradient-weighted class activation mapping (Selvaraju et al., ICCV 2017; the paper's Eq. 4 and 5).

    The weight of feature map k is the mean over its positions of the logit's gradient (Eq. 4); the map is
    ``ReLU(sum_k weight_k * feature_k)`` (Eq. 5), upsampled bilinearly to the image. Only the head is differentiated.
    """

    def __call__(self, model: Model, images: Tensor, targets: Tensor) -> Tensor:
        """Images (B, 3, H, W), targets (B,) -> maps (B, H, W)."""
        return self.with_diagnostics(model, images, targets)[0]

    def with_diagnostics(self, model: Model, images: Tensor, targets: Tensor) -> tuple[Tensor, Diagnostics]:
        """Maps (B, H, W), and ``class_activation`` (B, h, w): the maps before upsampling."""
        with explaining(model):
            images, targets = checked(images, targets)
            with torch.no_grad():
                features = model.forward_features(images)
            features.requires_grad_()
            scores = target_logits(model.forward_head(features), targets)
            (gradients,) = torch.autograd.grad(scores.sum(), features)
            weights = gradients.mean(dim=(2, 3), keepdim=True)
            activation = functional.relu((weights * features.detach()).sum(dim=1))
        maps = functional.interpolate(activation[:, None], size=images.shape[-2:], mode="bilinear", align_corners=False)
        return maps.squeeze(1), {"class_activation": activation}
