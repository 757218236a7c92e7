"""LayerCAM."""

from torch import Tensor
from torch.nn import functional

from xairank.attribution.cam import GradientActivationMap


class LayerCAM(GradientActivationMap):
    """Each place of a feature map is weighted by its own positive gradient (Jiang et al., IEEE TIP 2021).

    ``ReLU(sum_k ReLU(g_k,ij) * A_k,ij)``, where g is the gradient of the score at the feature map A.

    The paper scales maps of earlier layers by ``tanh(2 M / max M)`` (Eq. 9) only to fuse them with later ones; as it
    changes no order within a map it is left out.

    Use it at an earlier layer, ``layer=-2`` say, whose maps are finer. What speaks against the class only fails to
    count. Cost: one forward pass an image, and one more at another layer than the model's own.
    """

    label = "LayerCAM"

    def combine(self, features: Tensor, gradients: Tensor) -> Tensor:
        """Feature map (B, C, h, w) and gradients at it -> map (B, h, w)."""
        return (functional.relu(gradients) * features).sum(dim=1)
