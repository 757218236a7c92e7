"""Saliency."""

from xairank.attribution.engine import AttributionMethod, Explanation
from xairank.attribution.forward_pass import ForwardPass


class Saliency(AttributionMethod):
    """Largest absolute gradient over the channels (Simonyan et al., 2013; the paper's Eq. 2).

    ``S(i, j) = max_k |d logit / d x(i, j, k)|``.
    """

    label = "Saliency"
    color = "#E69F00"
    uses_input_gradients = True

    def attribute(self, forward: ForwardPass) -> Explanation:
        """Maps (B, H, W)."""
        return forward.input_gradients.abs().amax(dim=1), {}
