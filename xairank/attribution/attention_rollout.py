"""Attention rollout."""

import torch

from xairank.attribution.attention import attend, attention_obstacle, last_rows, token_maps
from xairank.attribution.engine import AttributionMethod, Explanation
from xairank.attribution.forward_pass import ForwardPass
from xairank.attribution.protocol import Model
from xairank.attribution.score import logit


class AttentionRollout(AttributionMethod):
    """Attention followed back through all layers of a transformer to the image (Abnar & Zuidema, ACL 2020, section 3).

    ``rollout_l = (A_l + I) / 2 @ rollout_(l-1)``, with ``A_l`` the attention of layer l, averaged over its heads, and
    the identity for the residual connection. The map is the row of the class token, or the mean over the rows that the
    head pools, without the columns of class, distillation and register tokens, upsampled bilinearly.

    Use it for transformers in which every token attends to every other (ViT, DeiT, hybrids of them); it explains
    neither convolutional networks nor windowed attention (Swin). It shows where information may have come from,
    whichever class is explained, and is no evidence of the decision as such. Cost: one more forward and one backward
    pass, which finds out what the head pools.
    """

    label = "Attention rollout"

    def obstacle(self, model: Model) -> str:
        """Why the method cannot explain a model, in words that follow "it"; empty where it can."""
        return super().obstacle(model) or attention_obstacle(model)

    def attribute(self, forward: ForwardPass) -> Explanation:
        """Maps (B, H, W), and ``class_activation`` (B, h, w): the maps before upsampling."""
        attention = attend(forward, logit)
        relevance = last_rows(attention)[:, None]
        identity = torch.eye(relevance.shape[2]).to(relevance)
        for layer in reversed(attention):  # one row from the last layer down, not the whole product from the first up
            relevance = relevance @ ((layer.weights.mean(dim=1) + identity) / 2)
        maps, coarse = token_maps(relevance[:, 0], forward.images)
        return maps, {"class_activation": coarse}
