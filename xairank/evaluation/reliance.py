"""Reliance: whether the model uses the defect at all."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import correlate
from torch import Tensor

from xairank.evaluation.fills import FILLS
from xairank.evaluation.model_metric import ImageMeasure
from xairank.evaluation.probe import Probe, content_generator

FILLED_BY = ("mean_color", "blurred")
N_PLACES = 3


class Reliance(ImageMeasure):
    """How much more the class's logit falls when the defect is hidden than when as many pixels elsewhere are.

    ``mean over fills of (f(x) - f(x without the mask)) - (f(x) - mean over places of f(x without the place))``, in
    logits, where f is the logit of the explained class. The two fills are the mean colour and the blur of what is not
    hidden. The three places have the mask's own shape, moved to where it does not touch the mask, drawn at random by
    the image's content; where it fits nowhere, a place is as many pixels around one that is drawn, the nearest outside
    the mask. Of a mask of more than half the image all that is outside is hidden, which is less than the mask, so that
    reliance is overstated there. Occlusion as in Zeiler & Fergus (ECCV 2014), with the control for its own artefacts.

    It is a property of the image, the same for all methods. Where it is not above 0, the model decides by something
    else than the defect, and a map that does not point at the defect may be right. f(x) cancels, so that it takes
    2 x (1 + 3) = 8 forward passes an image.

    Args:
        seed: Other seeds draw other places.
    """

    label = "Reliance"
    columns: ClassVar[Mapping[str, str]] = {
        "": "how much more the logit falls when the defect is hidden than when as many pixels elsewhere are, in logits",
        "least": "the smaller reliance of the two fills, in logits",
    }
    passes = len(FILLED_BY) * (1 + N_PLACES)

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def __call__(self, masks: Tensor, probe: Probe) -> dict[str, Tensor]:
        """Masks (B, H, W), the probe -> by ``""`` the mean over the fills (B,), by ``least`` the smaller one (B,)."""
        hidden = torch.stack([self._regions(mask, image) for mask, image in zip(masks, probe.images, strict=True)])

        def variants(image: int, numbers: slice) -> Tensor:
            return torch.cat(
                [_hide(probe.images[image], hidden[image], number) for number in range(self.passes)[numbers]]
            )

        logits = probe.logits(self.passes, variants).view(-1, len(FILLED_BY), 1 + N_PLACES)
        reliances = logits[:, :, 1:].mean(dim=2) - logits[:, :, 0]
        return {"": reliances.mean(dim=1), "least": reliances.amin(dim=1)}

    def _regions(self, mask: Tensor, image: Tensor) -> Tensor:
        """What is hidden, (1 + N_PLACES, H, W) bool: the mask, and the places to compare it with."""
        found = elsewhere(mask.cpu().numpy(), content_generator(image, self.seed))
        return torch.from_numpy(np.stack([mask.cpu().numpy(), *found]))


def elsewhere(mask: NDArray[np.bool_], generator: np.random.Generator) -> list[NDArray[np.bool_]]:
    """``N_PLACES`` regions (H, W) of the mask's shape that do not overlap it, or else of as many neighbouring pixels.

    The places differ where there are enough. Of a mask that leaves less than its own size, all that is outside is a
    region; it is empty where nothing is.

    Args:
        mask: (H, W), at least one pixel.
        generator: What is drawn from.
    """
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    shape = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    overlaps = np.rint(correlate(mask.astype(float), shape.astype(float), mode="valid", method="fft"))
    free = np.argwhere(overlaps == 0)
    if len(free):
        chosen = free[generator.choice(len(free), N_PLACES, replace=len(free) < N_PLACES)]
        return [_moved(shape, mask.shape, row, column) for row, column in chosen]
    outside = np.argwhere(~mask)
    if not len(outside):
        return [np.zeros_like(mask)] * N_PLACES
    centers = outside[generator.choice(len(outside), N_PLACES, replace=len(outside) < N_PLACES)]
    return [_around(center, outside, int(mask.sum()), mask.shape) for center in centers]


def _around(
    center: NDArray[np.int64], outside: NDArray[np.int64], size: int, shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """The ``size`` pixels among those ``outside`` that are nearest to the centre."""
    distances = ((outside - center) ** 2).sum(axis=1)
    rows, columns = outside[np.argsort(distances, kind="stable")[:size]].T
    region = np.zeros(shape, np.bool_)
    region[rows, columns] = True
    return region


def _moved(shape: NDArray[np.bool_], size: tuple[int, ...], row: int, column: int) -> NDArray[np.bool_]:
    region = np.zeros(size, np.bool_)
    region[row : row + shape.shape[0], column : column + shape.shape[1]] = shape
    return region


def _hide(image: Tensor, regions: Tensor, number: int) -> Tensor:
    """A variant (1, C, H, W) of an image (C, H, W): the first fill of every region comes before the second."""
    fill, place = divmod(number, len(regions))
    region = regions[place].to(image.device)[None]
    filled = FILLS[FILLED_BY[fill]](image[None], ~region)
    return torch.where(region[:, None], filled, image[None])
