"""The mask that the model's own decoder predicts."""

from xairank.attribution.engine import AttributionMethod, Explanation
from xairank.attribution.forward_pass import ForwardPass
from xairank.schema import OWN_EVIDENCE


class OwnMask(AttributionMethod):
    """What the decoder of a multitask model marks: where the model itself says that the defect is.

    The logits of the mask minus the least of them, as probabilities would be equal where they are near 0 or 1.

    It was trained to be that and explains no decision; a method near it finds what the model has found. Only for models
    with a decoder, and no bar for others. Cost: the decoder, beyond the prediction.
    """

    label = "Own mask"
    control = OWN_EVIDENCE
    needs_decoder = True

    def attribute(self, forward: ForwardPass) -> Explanation:
        """Maps (B, H, W)."""
        logits = forward.decode()
        return logits - logits.amin(dim=(1, 2), keepdim=True), {}
