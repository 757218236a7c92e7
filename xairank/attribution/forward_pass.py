"""What a model computes for a few images, shared by all methods that explain them."""

from functools import cached_property

import torch
from torch import Tensor

from xairank.attribution.protocol import Model


class ForwardPass:
    """One forward pass and its gradients, each computed once.

    Prediction, Grad-CAM and saliency need the same forward pass; saliency goes on from the gradient at the feature map
    that Grad-CAM needs too. A model that knows its affine prefix, see
    :class:`~xairank.attribution.acceleration.frozen.FrozenModel`, is cut there; any other model has none: its prefix is
    the images themselves.

    Args:
        model: Inside :func:`~xairank.attribution.protocol.explaining`.
        images: (B, C, H, W).
        targets: The classes to explain, (B,); None for the predicted ones.
        batch_limit: Largest batch a method may send through the model.
        input_gradients: Whether a method will ask for them. They cost least here, and nothing of the forward pass is
            kept for them; without this they take a forward pass of their own.

    Attributes:
        images: (B, C, H, W).
        prefix: The output of the affine prefix, (B, c, y, x).
        features: The feature map, (B, C, h, w).
        logits: (B, classes).
        targets: The explained classes, (B,).
        scores: Their logits, (B,).

    Raises:
        ValueError: A target is not a class of the model.
    """

    def __init__(
        self, model: Model, images: Tensor, targets: Tensor | None, batch_limit: int, *, input_gradients: bool = False
    ) -> None:
        self.model = model
        self.batch_limit = batch_limit
        self.images = images
        # Three graphs, cut where methods need gradients: images - prefix - features - logits.
        self._images = images.detach().requires_grad_()
        self._prefix_output = self.forward_prefix(self._images)
        self.prefix = self._prefix_output.detach()
        prefix = self.prefix.detach().requires_grad_()
        with torch.set_grad_enabled(input_gradients):
            features = self.forward_rest(prefix)
        self.features = features.detach()
        self._features = self.features.detach().requires_grad_()
        logits = model.forward_head(self._features.clone())  # a head may work in place
        self.logits = logits.detach()
        self.targets = self.logits.argmax(dim=1) if targets is None else targets
        _check_targets(self.targets, self.logits.shape[1])
        self._scores = target_logits(logits, self.targets)
        self.scores = self._scores.detach()
        if input_gradients:
            self.input_gradients = self.to_input(torch.autograd.grad(features, prefix, self.feature_gradients)[0])

    def forward_prefix(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) -> output of the affine prefix (B, c, y, x)."""
        prefix = getattr(self.model, "forward_prefix", None)
        output: Tensor = prefix(images) if prefix else images.view_as(images)
        return output

    def forward_rest(self, prefix: Tensor) -> Tensor:
        """Output of the affine prefix (B, c, y, x) -> feature map (B, C, h, w)."""
        rest = getattr(self.model, "forward_rest", None)
        # A frozen model leaves its input as it is; any other may start with an activation in place.
        output: Tensor = rest(prefix) if rest else self.model.forward_features(prefix.clone())
        return output

    @cached_property
    def feature_gradients(self) -> Tensor:
        """Gradients of the scores with respect to the feature map, (B, C, h, w)."""
        return torch.autograd.grad(self._scores.sum(), self._features)[0]

    @cached_property
    def input_gradients(self) -> Tensor:
        """Gradients of the scores with respect to the images, (B, C, H, W)."""
        return self.to_input(self.prefix_gradients(self.prefix, self.targets))

    def to_input(self, gradients: Tensor) -> Tensor:
        """Gradients at the prefix's output (B, c, y, x) -> at the images (B, C, H, W): the prefix's transpose."""
        return torch.autograd.grad(self._prefix_output, self._images, gradients, retain_graph=True)[0]

    def prefix_gradients(self, prefix: Tensor, targets: Tensor) -> Tensor:
        """Gradients of the targets' logits at other outputs of the prefix, (B, c, y, x).

        Images do not influence one another in evaluation mode, so the gradient of the sum is each one's own.
        """
        prefix = prefix.detach().requires_grad_()
        scores = target_logits(self.model.forward_head(self.forward_rest(prefix)), targets)
        return torch.autograd.grad(scores.sum(), prefix)[0]


def target_logits(logits: Tensor, targets: Tensor) -> Tensor:
    """Logits (B, classes) -> the targets' (B,)."""
    return logits.gather(1, targets.view(-1, 1)).squeeze(1)


def _check_targets(targets: Tensor, n_classes: int) -> None:
    if len(targets) and not 0 <= int(targets.min()) <= int(targets.max()) < n_classes:
        raise ValueError(f"targets: found {targets.tolist()}, expected class indices from 0 to {n_classes - 1}")
