"""A frozen copy of a model: the same function, made fast for explaining many images."""

import copy
import logging
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from xairank.attribution.acceleration.batch_limit import checked_limit, default_batch_limit
from xairank.attribution.acceleration.comparison import difference
from xairank.attribution.acceleration.folding import Features, Halves, fold_and_split
from xairank.attribution.acceleration.layout import fastest_layout
from xairank.attribution.protocol import Model, as_parts, checked, is_out_of_memory

logger = logging.getLogger(__name__)


class FrozenModel(nn.Module):
    """A model whose features come in two steps, an affine prefix and the rest; see :func:`freeze`.

    The output of an affine prefix (normalisation, stem convolution) moves on a straight line when the image does, so
    integrated gradients need one forward and one transposed pass through it an image, not one a step.

    Attributes:
        batch_limit: Largest batch that should be sent through the model.
        plain: A copy of the model as it was written, for methods that change how its layers compute.
    """

    def __init__(self, model: nn.Module, halves: Halves, batch_limit: int, plain: nn.Module, images: Tensor) -> None:
        super().__init__()
        self._model = model
        self.plain = plain
        self._images = images
        self._layers: dict[str | int, FrozenModel] = {}
        self._halves = nn.ModuleDict(halves._asdict())
        self.batch_limit = batch_limit

    def forward_prefix(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) -> output of the affine prefix (B, c, y, x)."""
        output: Tensor = self._halves["prefix"](images.contiguous(memory_format=fastest_layout(images.device)))
        return output

    def forward_rest(self, prefix: Tensor) -> Any:  # noqa: ANN401
        """Output of the affine prefix (B, c, y, x), left as it is -> feature map (B, C, h, w), as of the model."""
        return self._halves["rest"](prefix)

    def forward_features(self, images: Tensor) -> Any:  # noqa: ANN401
        """Images (B, 3, H, W) -> feature map (B, C, h, w), or a tuple that begins with it, as of the model."""
        return self.forward_rest(self.forward_prefix(images))

    def forward_head(self, features: Tensor, *others: Any) -> Tensor:  # noqa: ANN401
        """What ``forward_features`` gave -> logits (B, classes)."""
        logits: Tensor = self._model.forward_head(features, *others)  # type: ignore[operator]
        return logits

    @property
    def decode(self) -> Callable[[Tensor, tuple[int, int]], Tensor] | None:
        """Feature map (B, C, h, w), size (H, W) -> mask logits (B, H, W); None where the model has no decoder."""
        return getattr(self._model, "decode", None)

    def at_layer(self, layer: str | int) -> "FrozenModel":
        """The model cut at another layer, frozen too.

        Raises:
            ValueError: It cannot be cut there.
        """
        if layer not in self._layers:
            cut = getattr(self.plain, "at_layer", None)
            if cut is None:
                raise ValueError(
                    f"layer={layer}: {type(self.plain).__name__} cannot be cut at another layer; freeze "
                    "xairank.adapt(model), which can"
                )
            self._layers[layer] = freeze(cut(layer), self._images, batch_limit=self.batch_limit)
        return self._layers[layer]

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) -> logits (B, classes)."""
        return self.forward_head(*as_parts(self.forward_features(images)))


class _Unfolded(Features):
    """A model as it is, but it leaves its input alone even where it works in place."""

    def forward(self, images: Tensor) -> Any:  # noqa: ANN401
        """Images (B, 3, H, W) -> feature map (B, C, h, w), as of the model."""
        return super().forward(images.clone())


def freeze(model: Model, images: Tensor, *, batch_limit: int | None = None) -> FrozenModel:
    """Copies a model, its batch norms folded into convolutions, its prefix split off, in the device's fastest layout.

    The copy's features and its gradient at the image are compared with the model's on ``images``. Where they differ, or
    where the network cannot be traced, nothing is folded or split, with a warning.

    Args:
        model: Left as it is; later changes of it do not reach the copy.
        images: A few images in the model's input space, (B, 3, H, W).
        batch_limit: Largest batch in one pass; by default
            :func:`~xairank.attribution.acceleration.batch_limit.default_batch_limit`.

    Raises:
        ValueError: A batch limit below 1.
    """
    frozen, reason = try_to_freeze(cast(nn.Module, model), images, batch_limit)
    if reason:
        logger.warning("%s: %s; explained unfolded, more slowly", type(model).__name__, reason)
    return frozen


def try_to_freeze(original: nn.Module, images: Tensor, batch_limit: int | None = None) -> tuple[FrozenModel, str]:
    """As :func:`freeze`, and why nothing was folded or split; empty where it was."""
    limit = default_batch_limit(images.device) if batch_limit is None else checked_limit(batch_limit)
    with torch.inference_mode(False):  # what is made in it could never be differentiated
        return _freeze(original, checked(images, None)[0], limit)


def _freeze(original: nn.Module, images: Tensor, batch_limit: int) -> tuple[FrozenModel, str]:
    plain = copy.deepcopy(original).eval().requires_grad_(False)
    frozen = FrozenModel(plain, Halves(nn.Identity(), _Unfolded(plain)), batch_limit, plain, images)
    reason = ""
    try:
        folded = copy.deepcopy(plain)
        candidate = FrozenModel(folded, fold_and_split(Features(folded)), batch_limit, plain, images)
        found = difference(candidate, frozen, images)
    except Exception as error:  # torch.fx raises whatever the network's own code does with a proxy
        if is_out_of_memory(error):
            raise
        reason = f"cannot be traced ({_first_line(error)})"
    else:
        if found is None:
            frozen = candidate
        else:
            reason = f"folding and splitting change {found}"
    for tensor in (*frozen.parameters(), *frozen.buffers()):  # Module.to would try those of five dimensions too
        if tensor.ndim == 4:
            tensor.data = tensor.data.contiguous(memory_format=fastest_layout(tensor.device))
    return frozen, reason


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:120] or type(error).__name__
