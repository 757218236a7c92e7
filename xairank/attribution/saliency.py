"""Saliency."""

from torch import Tensor

from xairank.attribution.protocol import Model, checked, explaining, input_gradients


class Saliency:
    """Largest absolute gradient over the channels (Simonyan et al., 2013; the paper's Eq. 2).

    ``S(i, j) = max_k |d logit / d x(i, j, k)|``.
    """

    def __call__(self, model: Model, images: Tensor, targets: Tensor) -> Tensor:
        """Images (B, 3, H, W), targets (B,) -> maps (B, H, W)."""
        with explaining(model):
            images, targets = checked(images, targets)
            gradients, _ = input_gradients(model, images, targets)
        return gradients.abs().amax(dim=1)
