"""Models whose answers are known in closed form, and their probes."""

import torch
from torch import Tensor

from xairank.evaluation import Probe


class Additive:
    """Two classes: the logit of class 1 is a weighted sum of the pixels, that of class 0 is zero.

    Args:
        weights: (H, W), the same for every channel.

    Attributes:
        largest_batch: The most images it was given at once.
    """

    def __init__(self, weights: Tensor) -> None:
        self.weights = weights.double()
        self.largest_batch = 0

    def __call__(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) -> logits (N, 2)."""
        self.largest_batch = max(self.largest_batch, len(images))
        scores = (images.double() * self.weights).sum(dim=(1, 2, 3))
        return torch.stack([torch.zeros_like(scores), scores], dim=1)


def probe_of(model: Additive, images: Tensor, batch_limit: int = 4, explain=None) -> Probe:
    """Of images that all belong to class 1."""
    return Probe(images, torch.ones(len(images), dtype=torch.long), model, batch_limit, explain)


def random(*shape: int, seed: int = 0) -> Tensor:
    """Uniform in [0, 1), float64."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def square(height: int, width: int, row: int, column: int, side: int) -> Tensor:
    """A mask (1, H, W) of a square."""
    mask = torch.zeros(1, height, width, dtype=torch.bool)
    mask[0, row : row + side, column : column + side] = True
    return mask
