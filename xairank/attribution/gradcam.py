"""Grad-CAM."""

from torch import Tensor

from xairank.attribution.cam import GradientActivationMap


class GradCAM(GradientActivationMap):
    """Gradient-weighted class activation mapping (Selvaraju et al., ICCV 2017; the paper's Eq. 4 and 5).

    The weight of feature map k is the mean over its positions of the logit's gradient (Eq. 4); the map is
    ``ReLU(sum_k weight_k * feature_k)`` (Eq. 5), upsampled bilinearly to the image. Only the head is differentiated.

    The mean suits the last layer. At earlier ones the gradient changes its sign from place to place and averages out,
    so that a map there shows where features are rather than which of them count; :class:`LayerCAM` and
    :class:`HiResCAM` keep the places apart. Cost: one forward pass an image.
    """

    label = "Grad-CAM"
    color = "#0072B2"

    def combine(self, features: Tensor, gradients: Tensor) -> Tensor:
        """Feature map (B, C, h, w) and gradients at it -> map (B, h, w)."""
        weights = gradients.mean(dim=(2, 3), keepdim=True)
        return (weights * features).sum(dim=1)
