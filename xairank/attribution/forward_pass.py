"""What a model computes for a few images, shared by all methods that explain them."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from xairank.attribution.protocol import Model, as_parts
from xairank.attribution.score import Score, logit


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
        score: What is explained, see :mod:`xairank.attribution.score`.
        predict: Whether the images are sent through now. Without it there are neither features nor logits nor scores,
            for methods that want none of them; the targets are to be given.

    Attributes:
        images: (B, C, H, W).
        prefix: The output of the affine prefix, (B, c, y, x).
        features: The feature map, (B, C, h, w).
        logits: (B, classes).
        targets: The explained classes, (B,).
        score: Logits and targets -> scores; the targets' logits by default.
        scores: Those of the images, (B,).
        passes: Images sent through the model so far, forward or backward; what happens behind the feature map is not
            counted.

    Raises:
        ValueError: A target is not a class of the model.
    """

    def __init__(
        self,
        model: Model,
        images: Tensor,
        targets: Tensor | None,
        batch_limit: int,
        *,
        input_gradients: bool = False,
        score: Score = logit,
        predict: bool = True,
    ) -> None:
        self.model = model
        self.batch_limit = batch_limit
        self.images = images
        self.score = score
        self.passes = 0
        self._checked = False
        self._layers: dict[str | int, ForwardPass] = {}
        # Three graphs, cut where methods need gradients: images - prefix - features - logits.
        self._images = images.detach().requires_grad_()
        self._prefix_output = self.forward_prefix(self._images)
        self.prefix = self._prefix_output.detach()
        if predict or targets is None:
            self._predict(targets, input_gradients=input_gradients)
        else:
            self.targets = targets

    def _predict(self, targets: Tensor | None, *, input_gradients: bool) -> None:
        """The one forward pass of all methods, and what is cheapest along with it."""
        self.passes += len(self.images)
        prefix = self.prefix.detach().requires_grad_()
        with torch.set_grad_enabled(input_gradients):
            outputs = self.forward_rest(prefix)
        # What crosses the cut: the feature map, and whatever else the head needs, see Model.
        self._parts = [part.detach().requires_grad_() if _is_floating(part) else part for part in outputs]
        self.features = self._parts[0].detach()
        logits = self.model.forward_head(*map(_copied, self._parts))
        self.logits = logits.detach()
        self.targets = self.logits.argmax(dim=1) if targets is None else targets
        self._check_targets(self.logits.shape[1])
        self._scores = self.score(logits, self.targets)
        self.scores = self._scores.detach()
        if input_gradients:
            self.input_gradients = self.to_input(self._through(outputs, prefix))
            self.passes += len(self.images)

    @property
    def network(self) -> Model:
        """The model as it was written, for methods that change how its layers compute; a frozen one has other layers.

        It is to be left as it is found.
        """
        network: Model = getattr(self.model, "plain", self.model)
        return network

    def at(self, layer: str | int | None) -> "ForwardPass":
        """The same images and targets with the feature map of another layer; computed once for each.

        Args:
            layer: Name of a module; or a number: 0 is the first stage, at the largest resolution, and -1 the last one.
                None is the model's own feature map.

        Raises:
            ValueError: The model cannot be cut at another layer.
        """
        if layer is None:
            return self
        if layer not in self._layers:
            cut = getattr(self.model, "at_layer", None)
            if cut is None:
                raise ValueError(
                    f"layer={layer}: {type(self.model).__name__} cannot be cut at another layer; give "
                    "xairank.adapt(model), which can"
                )
            there = ForwardPass(cut(layer), self.images, self.targets, self.batch_limit, score=self.score)
            self._layers[layer] = there
            self.passes += len(self.images)
        return self._layers[layer]

    def forward_prefix(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) -> output of the affine prefix (B, c, y, x)."""
        prefix = getattr(self.model, "forward_prefix", None)
        output: Tensor = prefix(images) if prefix else images.view_as(images)
        return output

    def forward_rest(self, prefix: Tensor) -> tuple[Any, ...]:
        """Output of the affine prefix (B, c, y, x) -> feature map (B, C, h, w), and what else the head takes."""
        rest = getattr(self.model, "forward_rest", None)
        # A frozen model leaves its input as it is; any other may start with an activation in place.
        return as_parts(rest(prefix) if rest else self.model.forward_features(prefix.clone()))

    @property
    def feature_gradients(self) -> Tensor:
        """Gradients of the scores with respect to the feature map, (B, C, h, w)."""
        return self._part_gradients[0]

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
        logits = self.model.forward_head(*self.forward_rest(prefix))
        self._check_targets(logits.shape[1])
        self.passes += 2 * len(prefix)
        return torch.autograd.grad(self.score(logits, targets).sum(), prefix)[0]

    def scores_at(self, prefix: Tensor, targets: Tensor) -> Tensor:
        """Scores (B,) at other outputs of the prefix (B, c, y, x), at most ``batch_limit`` of them."""
        with torch.no_grad():
            self.passes += len(prefix)
            return self.score(self.model.forward_head(*self.forward_rest(prefix)), targets)

    def decode(self) -> Tensor:
        """The mask's logits (B, H, W) of a model with a decoder, from the feature map.

        Raises:
            ValueError: It has none.
        """
        decode = getattr(self.model, "decode", None)
        if decode is None:
            raise ValueError("the model has no decoder, so that it predicts no mask; leave this control out")
        with torch.no_grad():
            logits: Tensor = decode(self.features, (self.images.shape[2], self.images.shape[3]))
        return logits

    def computed(self) -> Iterator[tuple[str, Tensor]]:
        """What has been computed so far, with its name in words; each (B, ...)."""
        if "logits" in self.__dict__:
            yield "the feature map", self.features
            yield "the logits", self.logits
        if "_part_gradients" in self.__dict__:
            yield "the gradient at the feature map", self.feature_gradients
        if "input_gradients" in self.__dict__:
            yield "the gradient at the image", self.input_gradients

    def _check_targets(self, n_classes: int) -> None:
        """Once: an accelerator would have to finish its work for every look at them."""
        targets, known = self.targets, self._checked
        self._checked = True
        if not known and len(targets) and not 0 <= int(targets.min()) <= int(targets.max()) < n_classes:
            raise ValueError(f"targets: found {targets.tolist()}, expected class indices from 0 to {n_classes - 1}")

    @cached_property
    def _part_gradients(self) -> tuple[Tensor, ...]:
        """Gradients of the scores with respect to each floating part that crosses the cut, the feature map first."""
        floating = [part for part in self._parts if _is_floating(part)]
        found = torch.autograd.grad(self._scores.sum(), floating, allow_unused=True)
        return tuple(
            torch.zeros_like(part) if gradient is None else gradient
            for part, gradient in zip(floating, found, strict=True)
        )

    def _through(self, outputs: tuple[Any, ...], prefix: Tensor) -> Tensor:
        """The gradients of the scores at the prefix's output, by the chain rule over all that crosses the cut."""
        floating = [part for part in outputs if _is_floating(part)]
        pairs = [pair for pair in zip(floating, self._part_gradients, strict=True) if pair[0].requires_grad]
        ends, gradients = zip(*pairs, strict=True)
        return torch.autograd.grad(ends, prefix, gradients)[0]


def _is_floating(part: object) -> bool:
    return isinstance(part, Tensor) and part.is_floating_point()


def _copied(part: Any) -> Any:  # noqa: ANN401
    """A copy of a tensor, as a head may work in place."""
    return part.clone() if isinstance(part, Tensor) else part
