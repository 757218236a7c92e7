"""XGrad-CAM."""

import torch
from torch import Tensor

from xairank.attribution.cam import GradientActivationMap


class XGradCAM(GradientActivationMap):
    """Grad-CAM whose mean gradient is weighted by the feature map (Fu et al., BMVC 2020).

    The weight of feature map k is ``sum_ij (A_k,ij / sum_ab A_k,ab) * g_k,ij``, where g is the gradient of the score at
    the map A, and 0 where the map sums to zero; the map is ``ReLU(sum_k weight_k * A_k)``. Its sum over places is then
    that of gradient times feature map, which the paper derives from the axioms of sensitivity and conservation.

    Use it at an earlier layer: behind average pooling it equals Grad-CAM. The paper takes feature maps behind a ReLU;
    where they are negative too, a sum near zero makes a weight large. Cost: one forward pass an image, and one more at
    another layer than the model's own.
    """

    label = "XGrad-CAM"

    def combine(self, features: Tensor, gradients: Tensor) -> Tensor:
        """Feature map (B, C, h, w) and gradients at it -> map (B, h, w)."""
        total = features.sum(dim=(2, 3), keepdim=True)
        shares = torch.where(total == 0, 0, features / total)
        weights = (shares * gradients).sum(dim=(2, 3), keepdim=True)
        return (weights * features).sum(dim=1)
