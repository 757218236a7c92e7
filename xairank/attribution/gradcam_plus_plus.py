"""Grad-CAM++."""

import torch
from torch import Tensor
from torch.nn import functional

from xairank.attribution.cam import GradientActivationMap


class GradCAMPlusPlus(GradientActivationMap):
    """Grad-CAM whose weights count places rather than areas (Chattopadhyay et al., WACV 2018).

    The weight of feature map k is ``sum_ij alpha_k,ij * ReLU(g_k,ij)``, where g is the gradient of the score at
    the map A and ``alpha_k,ij = g_k,ij^2 / (2 g_k,ij^2 + (sum_ab A_k,ab) * g_k,ij^3)`` (Eq. 19), zero where g is; the
    map is ``ReLU(sum_k weight_k * A_k)``. The paper explains the exponential of the score, whose second and third
    derivatives these powers stand for; its own value, a positive factor of the whole image, is left out.

    Made for several or small objects of one class, which the mean of Grad-CAM lets the largest of them outweigh. It
    drops negative gradients, so that what speaks against the class only fails to count, and where feature maps are
    negative the denominator of alpha can come near zero. Cost: one forward pass an image.
    """

    label = "Grad-CAM++"

    def combine(self, features: Tensor, gradients: Tensor) -> Tensor:
        """Feature map (B, C, h, w) and gradients at it -> map (B, h, w)."""
        total = features.sum(dim=(2, 3), keepdim=True)
        # Eq. 19 without the square that its numerator and denominator share, and that small gradients underflow in.
        denominator = 2 + total * gradients
        alpha = torch.where(denominator == 0, 0, 1 / denominator)
        weights = (alpha * functional.relu(gradients)).sum(dim=(2, 3), keepdim=True)
        return (weights * features).sum(dim=1)
