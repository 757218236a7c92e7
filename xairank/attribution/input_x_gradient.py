"""Input x gradient."""

from xairank.attribution.engine import AttributionMethod, Explanation
from xairank.attribution.forward_pass import ForwardPass


class InputXGradient(AttributionMethod):
    """The gradient times the image: what each pixel contributes, as far as the model is linear.

    ``A(i, j) = sum_k |x(i, j, k) * d score / d x(i, j, k)|`` (Shrikumar et al., 2016, "Not just a black box: learning
    important features through propagating activation differences"; absolute values summed over channels, as for
    integrated gradients).

    It is integrated gradients with one step, at the image, from a black baseline: black pixels get nothing, so that a
    dark defect on a bright part is missed. Cost: 1 forward pass an image beyond the prediction.
    """

    label = "Input x gradient"
    uses_input_gradients = True

    def attribute(self, forward: ForwardPass) -> Explanation:
        """Maps (B, H, W)."""
        return (forward.images * forward.input_gradients).abs().sum(dim=1), {}
