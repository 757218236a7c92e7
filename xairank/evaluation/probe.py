"""What a metric may ask the model: the scores of changed images, and the maps of changed images."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from xairank.tensors import by_image, content_digest

# An image, by its place in the batch, and some of its variants -> these variants, (variants, C, H, W).
Variants = Callable[[int, slice], Tensor]


class Probe:
    """Images and the model that classified them, for metrics that change the images and look what the model says.

    Args:
        images: (B, C, H, W), on the device of the model.
        targets: The explained classes, (B,).
        logits: Images (N, C, H, W) -> logits (N, classes), in full precision and without gradients.
        batch_limit: Largest N.
        explain: Images (B, C, H, W) -> maps (B, H, W) of their targets by the method that is scored; None where no
            method is.

    Attributes:
        images: (B, C, H, W).
        targets: (B,).
        passes: Images sent through the model so far.
        explanations: Images explained so far.

    Example:
        >>> images, targets = torch.ones(2, 3, 4, 4), torch.tensor([0, 1])
        >>> probe = Probe(images, targets, lambda some: some[:, :2].sum(dim=(2, 3)), batch_limit=3)
        >>> darker = lambda image, steps: images[image] / torch.tensor([1.0, 2, 4])[steps, None, None, None]
        >>> probe.logits(3, darker).tolist(), probe.passes
        ([[16.0, 8.0, 4.0], [16.0, 8.0, 4.0]], 6)
    """

    def __init__(
        self,
        images: Tensor,
        targets: Tensor,
        logits: Callable[[Tensor], Tensor],
        batch_limit: int,
        explain: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.images, self.targets = images, targets
        self.passes = self.explanations = 0
        self._logits, self._batch_limit, self._explain = logits, batch_limit, explain

    def logits(self, n_variants: int, variants: Variants) -> Tensor:
        """The targets' logits (B, n_variants), float64, on the host, of ``n_variants`` changed copies of each image."""
        return self._target_values(n_variants, variants, lambda logits: logits)

    def probabilities(self, n_variants: int, variants: Variants) -> Tensor:
        """The targets' probabilities (B, n_variants), float64, on the host, of ``n_variants`` copies of each image."""
        return self._target_values(n_variants, variants, lambda logits: logits.softmax(dim=1))

    def explain(self, images: Tensor) -> Tensor:
        """Maps (B, H, W), float64, on the host, of other images in the place of ``images``; the targets stay.

        Raises:
            ValueError: No method is scored.
        """
        if self._explain is None:
            raise ValueError("this probe has no method to explain with")
        self.explanations += len(images)
        return self._explain(images).double().cpu()

    def _target_values(self, n_variants: int, variants: Variants, values: Callable[[Tensor], Tensor]) -> Tensor:
        """All (image, variant) pairs are one stream, so that every pass but the last is full."""
        n_pairs = len(self.images) * n_variants
        targets = self.targets.cpu().repeat_interleave(n_variants)
        found = torch.empty(n_pairs, dtype=torch.float64)
        for begin in range(0, n_pairs, self._batch_limit):
            end = min(begin + self._batch_limit, n_pairs)
            batch = torch.cat([variants(image, some) for image, some in by_image(begin, end, n_variants)])
            self.passes += len(batch)
            logits = values(self._logits(batch).detach().double().cpu())
            found[begin:end] = logits.gather(1, targets[begin:end, None])[:, 0]
        return found.view(-1, n_variants)


def content_generator(image: Tensor, seed: int) -> np.random.Generator:
    """Random numbers of an image's own (C, H, W), by its content: whatever the batch, they are the same."""
    return np.random.default_rng([seed, *content_digest(image)])
