"""What a model says of images."""

from typing import cast

import torch
from torch import Tensor, nn

from xairank.attribution import FrozenModel, Model
from xairank.attribution.protocol import as_parts, explaining


def predict_logits(model: nn.Module, images: Tensor) -> Tensor:
    """The logits (B, classes), on the host, of a model in the protocol of attribution."""
    whole = cast(Model, model)
    with explaining(whole), torch.no_grad():
        return whole.forward_head(*as_parts(whole.forward_features(images))).cpu()


def predict(model: FrozenModel, images: Tensor) -> tuple[Tensor, Tensor]:
    """Predicted class (B,) and its probability (B,) float64, which is NaN where a logit is not finite."""
    logits = predict_logits(model, images)
    probability, predicted = logits.double().softmax(dim=1).max(dim=1)
    return predicted, probability.where(logits.isfinite().all(dim=1), torch.nan)
