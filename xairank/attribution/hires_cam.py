"""HiResCAM."""

from torch import Tensor

from xairank.attribution.cam import GradientActivationMap


class HiResCAM(GradientActivationMap):
    """Gradient times feature map, summed over channels, without averaging the gradient (Draelos & Carin, 2020).

    ``ReLU(sum_k g_k,ij * A_k,ij)``, where g is the gradient of the score at the feature map A. The ReLU keeps the
    evidence for the class, as in Grad-CAM.

    Where the head is linear behind the feature map, the sum over places is the score without the bias, so that the map
    says exactly what each place contributes; behind average pooling it equals Grad-CAM. At earlier layers it is a
    gradient times an input, and as noisy. Cost: one forward pass an image, and one more at another layer than the
    model's own.
    """

    label = "HiResCAM"

    def combine(self, features: Tensor, gradients: Tensor) -> Tensor:
        """Feature map (B, C, h, w) and gradients at it -> map (B, h, w)."""
        return (gradients * features).sum(dim=1)
