"""A few images and a frozen network -> what it predicts, which class is explained, its maps and their overlap."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xairank.attribution import (
    AttributionMethod,
    Cost,
    Explanation,
    FrozenModel,
    Model,
    NonFiniteError,
    explain,
    freeze,
)
from xairank.attribution.acceleration.batch_limit import default_batch_limit
from xairank.errors import UserError
from xairank.evaluation import topk_overlap
from xairank.experiment.classifier import Classifier, check_outputs
from xairank.experiment.explain_config import PREDICTED
from xairank.experiment.prediction import predict_logits


class Predicted(NamedTuple):
    """What the network says of a few images.

    Attributes:
        probabilities: (B, classes), float64.
        targets: The classes that are explained, (B,).
    """

    probabilities: Tensor
    targets: Tensor


def freeze_classifier(classifier: Classifier, images: Tensor, batch_limit: int | str) -> FrozenModel:
    """The network as it is explained.

    Args:
        classifier: Left as it is.
        images: One image, as :func:`as_tensor` gives it.
        batch_limit: A number, or ``auto``.

    Raises:
        UserError: There is not one name for each output.
    """
    limit = default_batch_limit(classifier.device) if batch_limit == "auto" else int(batch_limit)
    first = images.to(classifier.device)
    check_outputs(classifier.classes, predict_logits(classifier.network, first).shape[1], "model.classes")
    return freeze(cast(Model, classifier.network), first, batch_limit=limit)


def predict_images(model: Model, images: Tensor, classes: Sequence[str], target: str, keys: Sequence[str]) -> Predicted:
    """What the network says, and which class is explained.

    Args:
        model: Frozen.
        images: (B, 3, S, S) in [0, 1], on its device.
        classes: Names of its outputs.
        target: ``predicted``, or a class.
        keys: What the images are called, for messages.

    Raises:
        UserError: The logits are not finite.
    """
    logits = predict_logits(cast(nn.Module, model), images)
    finite = logits.isfinite().all(dim=1)
    if not bool(finite.all()):
        key = keys[int((~finite).nonzero()[0])]
        raise UserError(
            f"the network's logits of {key} are NaN or infinite; check the weights, model.mean and model.std"
        )
    probabilities = logits.double().softmax(dim=1)
    if target == PREDICTED:
        return Predicted(probabilities, probabilities.argmax(dim=1))
    return Predicted(probabilities, torch.full((len(images),), classes.index(target)))


def explain_batch(
    methods: Mapping[str, AttributionMethod],
    model: Model,
    images: Tensor,
    targets: Tensor,
    keys: Sequence[str],
    costs: dict[str, Cost] | None = None,
) -> dict[str, Explanation]:
    """Maps (B, S, S) float32 and diagnostics by method, on the host; the arguments are those of :func:`explain`.

    Raises:
        UserError: A map is not finite; ``keys`` name the images.
    """
    try:
        explained = explain(methods, model, images, targets.to(images.device), costs=costs)
    except NonFiniteError as error:
        raise UserError(
            f"attribution.methods.{error.method}: {error.what} of {keys[error.image]} holds NaN or infinite values; "
            "check the weights, or remove the method's entry"
        ) from None
    return {
        name: (maps.float().cpu(), {key: values.cpu() for key, values in diagnostics.items()})
        for name, (maps, diagnostics) in explained.items()
    }


def overlap_with(mask: NDArray[np.bool_] | None, attribution: Tensor) -> float | None:
    """The Top-K Overlap of a map (S, S) with a mask (S, S); None without a mask, or of one without a defect."""
    if mask is None or not mask.any():
        return None
    return float(topk_overlap(attribution.double()[None], torch.from_numpy(mask)[None]))


def numbers_of(diagnostics: Mapping[str, Tensor], place: int = 0) -> dict[str, float | int | None]:
    """What a method reports of the image at a place of the batch, as JSON holds it: None where it is not finite."""
    values = {key: values[place] for key, values in diagnostics.items() if values.ndim == 1}
    return {key: value.item() if bool(value.isfinite()) else None for key, value in values.items()}


def as_tensor(images: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Images (S, S, 3) -> (B, 3, S, S) in [0, 1], as in training."""
    pixels = torch.from_numpy(np.stack(images))
    return pixels.permute(0, 3, 1, 2).to(torch.float32).div_(255)
