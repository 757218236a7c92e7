"""LayerCAM."""

from torch import Tensor
from torch.nn import functional

from xairank.attribution.cam import GradientActivationMap


class LayerCAM(GradientActivationMap):
    """Each place of a feature map is weighted by its own positive gradient (Jiang et al., IEEE TIP 2021).

    ``ReLU(sum_k ReLU(g_k,ij) * A_k,ij)``, where g is the gradient of the score at the feature map A.

    Made for earlier layers, whose maps are finer. The paper scales these by ``tanh(2 M / max M)`` (Eq. 9) only to fuse
    them with later ones; as it changes no order within a map it is left out. Cost: one forward pass an image.
    """

    label = "LayerCAM"

    def combine(self, features: Tensor, gradients: Tensor) -> Tensor:
        """Feature map (B, C, h, w) and gradients at it -> map (B, h, w)."""
        return (functional.relu(gradients) * features).sum(dim=1)
