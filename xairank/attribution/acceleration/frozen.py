"""A frozen copy of a model: the same function, made fast for explaining many images."""

import copy
import logging
from typing import cast

import torch
from torch import Tensor, nn

from xairank.attribution.acceleration.folding import Features, Halves, fold_and_split
from xairank.attribution.engine import BATCH_LIMIT
from xairank.attribution.protocol import Model, checked, explaining

TOLERANCE = 1e-4  # of the largest feature; folding moves EfficientNet-B0 by about 1e-6

logger = logging.getLogger(__name__)


class FrozenModel(nn.Module):
    """A model whose features come in two steps, an affine prefix and the rest; see :func:`freeze`.

    The output of an affine prefix (normalisation, stem convolution) moves on a straight line when the image does, so
    integrated gradients need one forward and one transposed pass through it an image, not one a step.

    Attributes:
        batch_limit: Largest batch that should be sent through the model.
    """

    def __init__(self, model: nn.Module, halves: Halves, batch_limit: int) -> None:
        super().__init__()
        self._model = model
        self._halves = nn.ModuleDict(halves._asdict())
        self.batch_limit = batch_limit

    def forward_prefix(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) -> output of the affine prefix (B, c, y, x), channels-last."""
        output: Tensor = self._halves["prefix"](images.contiguous(memory_format=torch.channels_last))
        return output

    def forward_rest(self, prefix: Tensor) -> Tensor:
        """Output of the affine prefix (B, c, y, x), left as it is -> feature map (B, C, h, w)."""
        features: Tensor = self._halves["rest"](prefix)
        return features

    def forward_features(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) -> feature map (B, C, h, w)."""
        return self.forward_rest(self.forward_prefix(images))

    def forward_head(self, features: Tensor) -> Tensor:
        """Feature map (B, C, h, w) -> logits (B, classes)."""
        logits: Tensor = self._model.forward_head(features)  # type: ignore[operator]
        return logits


class _Unfolded(Features):
    """A model as it is, but it leaves its input alone even where it works in place."""

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) -> feature map (B, C, h, w)."""
        return super().forward(images.clone())


def freeze(model: Model, images: Tensor, *, batch_limit: int = BATCH_LIMIT) -> FrozenModel:
    """Copies a model in evaluation mode with batch norm folded into convolutions, channels-last, its prefix split off.

    The copy is compared with the model on ``images``. Where it differs, or where the network cannot be traced, nothing
    is folded or split, with a warning.

    Args:
        model: Left as it is; later changes of it do not reach the copy.
        images: A few images in the model's input space, (B, 3, H, W).
        batch_limit: Largest batch in one pass; :func:`~xairank.attribution.measure_batch_limit` finds the fastest.
    """
    with torch.inference_mode(False):  # what is made in it could never be differentiated
        return _freeze(cast(nn.Module, model), checked(images, None)[0], batch_limit)


def _freeze(original: nn.Module, images: Tensor, batch_limit: int) -> FrozenModel:
    plain = copy.deepcopy(original).eval().requires_grad_(False)
    frozen = FrozenModel(plain, Halves(nn.Identity(), _Unfolded(plain)), batch_limit)
    try:
        folded = copy.deepcopy(plain)
        candidate = FrozenModel(folded, fold_and_split(Features(folded)), batch_limit)
    except Exception as error:  # torch.fx raises whatever the network's own code does with a proxy
        logger.warning(
            "%s: cannot be traced (%s); explained as it is, more slowly", type(original).__name__, _first_line(error)
        )
    else:
        difference = max(_difference(candidate, frozen, images), _bend(candidate, images))
        if difference <= TOLERANCE:
            frozen = candidate
        else:
            logger.warning(
                "%s: folding and splitting change the features by %.1e; explained as it is, more slowly",
                type(original).__name__,
                difference,
            )
    frozen.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return frozen


def _difference(candidate: FrozenModel, reference: FrozenModel, images: Tensor) -> float:
    """Largest difference of the features over the largest feature; infinite where one is not a number."""
    with explaining(candidate), torch.no_grad():
        expected = reference.forward_features(images)
        difference = (candidate.forward_features(images) - expected).abs().max() / expected.abs().max()
    return float(difference.nan_to_num(nan=torch.inf))


def _bend(model: FrozenModel, images: Tensor) -> float:
    """How far the prefix is from affine: its output half way between two images, over its largest."""
    other = torch.rand(images.shape, generator=torch.Generator().manual_seed(0)).to(images)
    with explaining(model), torch.no_grad():
        ends = (model.forward_prefix(images) + model.forward_prefix(other)) / 2
        difference = (model.forward_prefix((images + other) / 2) - ends).abs().max() / ends.abs().max()
    return float(difference.nan_to_num(nan=torch.inf))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:120] or type(error).__name__
