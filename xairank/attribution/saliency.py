"""Saliency."""

from xairank.attribution.engine import AttributionMethod, Explanation
from xairank.attribution.forward_pass import ForwardPass


class Saliency(AttributionMethod):
    """Largest absolute gradient over the channels (Simonyan et al., 2013; the paper's Eq. 2).

    ``S(i, j) = max_k |d logit / d x(i, j, k)|``, with the channels k of the image.

    Use it as the plainest of the methods, which others must beat. It shows to which pixels the score is sensitive, not
    how much they contribute; its maps scatter, and it says nothing where the network is saturated. Cost: 2 forward
    passes an image.
    """

    label = "Saliency"
    color = "#E69F00"
    uses_input_gradients = True

    def attribute(self, forward: ForwardPass) -> Explanation:
        """Maps (B, H, W)."""
        return forward.input_gradients.abs().amax(dim=1), {}
