"""Attention rollout weighted by gradients."""

from xairank.attribution.attention import attend, last_rows, token_maps
from xairank.attribution.attention_rollout import AttentionRollout
from xairank.attribution.engine import Explanation
from xairank.attribution.forward_pass import ForwardPass


class GradientAttentionRollout(AttentionRollout):
    """Attention that raises the explained score, followed back through a transformer (Chefer et al., ICCV 2021b).

    "Generic attention-model explainability": ``R <- R + mean over heads of ReLU(dscore/dA_l * A_l) @ R`` from the first
    layer to the last, from ``R = I`` (Eq. 5 and 6). The map is the row of the class token, or the mean over the rows
    that the head pools, of ``R - I``, as the identity is the same at every position; the columns of class, distillation
    and register tokens are dropped, and the rest is upsampled bilinearly.

    Use it for the same networks as :class:`~xairank.attribution.AttentionRollout`, and rather than it: it tells classes
    apart. What lowers the score is not shown. Cost: one more forward and one backward pass.
    """

    label = "Gradient attention rollout"

    def attribute(self, forward: ForwardPass) -> Explanation:
        """Maps (B, H, W), and ``class_activation`` (B, h, w): the maps before upsampling."""
        attention = attend(forward, forward.score)
        rows = last_rows(attention)[:, None]
        relevance = rows
        for layer in reversed(attention):  # rows @ (I + A_L) ... (I + A_1), from the left: never the whole product
            relevance = relevance + relevance @ (layer.gradients * layer.weights).clamp(min=0).mean(dim=1)
        maps, coarse = token_maps((relevance - rows)[:, 0], forward.images)
        return maps, {"class_activation": coarse}
