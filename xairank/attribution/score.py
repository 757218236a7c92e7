"""What is explained: one number an image, computed from its logits."""

from collections.abc import Callable

import torch
from torch import Tensor

# Logits (B, classes), targets (B,) -> scores (B,); each score depends on its own row alone.
Score = Callable[[Tensor, Tensor], Tensor]


def logit(logits: Tensor, targets: Tensor) -> Tensor:
    """The target's logit."""
    return logits.gather(1, targets.view(-1, 1)).squeeze(1)


def probability(logits: Tensor, targets: Tensor) -> Tensor:
    """The target's probability; where it is near 1 its gradients vanish."""
    return logit(logits.softmax(dim=1), targets)


def contrast(logits: Tensor, targets: Tensor) -> Tensor:
    """The target's logit minus the largest of the others: what speaks for this class rather than for the next."""
    others = logits.masked_fill(torch.zeros_like(logits).scatter(1, targets.view(-1, 1), 1).bool(), -torch.inf)
    return logit(logits, targets) - others.amax(dim=1)


SCORES: dict[str, Score] = {"logit": logit, "probability": probability, "contrast": contrast}
