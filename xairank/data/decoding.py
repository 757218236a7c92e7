"""The samples of a table, decoded once into memory, and what their files hold."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xairank.data.duplicates import SIDE, thumbnail
from xairank.data.faults import Faults
from xairank.data.images import Size, View, read_image, read_mask, view_image
from xairank.data.masks import view_mask
from xairank.errors import UserError
from xairank.progress import Track, untracked


class Facts(NamedTuple):
    """What a sample's files hold.

    Attributes:
        width: Of the image, upright, in pixels.
        height: Of the image, upright, in pixels.
        mask_pixels: Of the whole mask; 0 where it has no pixel above ``data.mask_threshold``.
        lost: The share of them that the crop cuts off, in [0, 1].
        mask_pixels_seen: Of the mask as the model sees it; 0 where the crop leaves nothing of it.
    """

    width: int
    height: int
    mask_pixels: int = 0
    lost: float = 0.0
    mask_pixels_seen: int = 0


class Decoded(NamedTuple):
    """All samples of a table, row by row.

    Attributes:
        images: (N, S, S, 3).
        masks: (N, S, S).
        thumbnails: (N, 32, 32), see :mod:`xairank.data.duplicates`.
        facts: A row a sample with the columns of :class:`Facts`; missing where a file has a fault.
        errors: What is wrong with single samples, in the order of the table.
    """

    images: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    thumbnails: NDArray[np.float32]
    facts: pd.DataFrame
    errors: list[UserError]


def decode(table: pd.DataFrame, view: View, threads: int, faults: Faults, track: Track = untracked) -> Decoded:
    """Decodes every sample of the table into the model's view.

    A sample with a fault stays black, without mask, and its facts are missing.

    Args:
        table: As of :func:`xairank.data.index.index_samples`.
        view: How images and masks are resized.
        threads: How many decode at a time; 0 as 1.
        faults: Takes what is wrong with a file, in the order of the table.
        track: Shows progress.
    """
    count, size = len(table), view.size
    images = np.zeros((count, size, size, 3), np.uint8)
    masks = np.zeros((count, size, size), np.bool_)
    thumbnails = np.zeros((count, SIDE, SIDE), np.float32)
    paths = list(zip(table["image"], table["mask"], strict=True))

    def fill(row: int) -> Facts | UserError:
        try:
            image, mask = paths[row]
            whole = read_image(image)
            thumbnails[row] = thumbnail(whole)
            images[row] = np.asarray(view_image(whole, view))
            if mask is None:
                return Facts(*whole.size)
            masks[row], facts = _decode_mask(mask, whole.size, view)
            return facts
        except UserError as error:
            return error

    found: list[Facts | UserError] = []
    # Pillow warns about odd files in the middle of the progress bar; what cannot be read is a fault.
    with warnings.catch_warnings(), ThreadPoolExecutor(max(1, threads)) as pool:
        warnings.filterwarnings("ignore", module="PIL")
        try:
            found += track(pool.map(fill, range(count)), count)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    errors = [one for one in found if isinstance(one, UserError)]
    for error in errors:
        faults.add(str(error))
    known = [one if isinstance(one, Facts) else [np.nan] * len(Facts._fields) for one in found]
    facts = pd.DataFrame(known, columns=Facts._fields)
    _check_threshold(table, facts, view, faults)
    return Decoded(images, masks, thumbnails, facts, errors)


def _decode_mask(path: Path, image_size: Size, view: View) -> tuple[NDArray[np.bool_], Facts]:
    whole = read_mask(path, image_size, view.mask_threshold)
    pixels = np.count_nonzero(whole)
    if not pixels:
        return np.zeros((view.size, view.size), np.bool_), Facts(*image_size)
    mask, lost = view_mask(whole, view)
    if mask.all():
        raise UserError(
            f"{path}: the mask covers all that data.crop={view.crop} leaves of the image, so that every explanation "
            "would lie on it; draw the defect alone, or remove the sample"
        )
    return mask, Facts(*image_size, pixels, lost, np.count_nonzero(mask))


def _check_threshold(table: pd.DataFrame, facts: pd.DataFrame, view: View, faults: Faults) -> None:
    """A single mask without defect at the threshold is no fault, but if all are, the threshold is wrong."""
    pixels = facts["mask_pixels"][table["mask"].notna()].dropna()
    if view.mask_threshold is not None and len(pixels) and (pixels == 0).all():
        faults.add(
            f"data.mask_threshold={view.mask_threshold}: no mask has a pixel above it; lower it, or set it to null if "
            "the masks have only 0 and one other value"
        )
