"""The samples of a table, decoded once into memory, and what their files say."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track

from xairank.console import console
from xairank.data.duplicates import SIDE, thumbnail
from xairank.data.faults import Faults
from xairank.data.images import Crop, read_image, read_mask, seen, view
from xairank.errors import UserError


class Facts(NamedTuple):
    """What a sample's files say.

    Attributes:
        width: Of the image, upright, in pixels.
        height: Of the image, upright, in pixels.
        mask_pixels: Of the whole mask.
        lost: The share of them that the crop takes away, in [0, 1].
        mask_pixels_seen: Of the mask as the model sees it; 0 where cropping and resizing left nothing.
    """

    width: int
    height: int
    mask_pixels: int = 0
    lost: float = 0.0
    mask_pixels_seen: int = 0


class Decoded(NamedTuple):
    """All samples: uint8 images (N, S, S, 3), bool masks (N, S, S), thumbnails (N, 32, 32), a row of facts each."""

    images: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    thumbnails: NDArray[np.float32]
    facts: pd.DataFrame


def decode(table: pd.DataFrame, size: int, crop: Crop, threads: int, faults: Faults) -> Decoded:
    """Decodes every sample of the table, resized to the model's view, with a progress bar.

    A sample with a fault stays black, without mask, and its facts are missing.

    Args:
        table: As of :func:`xairank.data.index.index_samples`.
        size: Width and height of the model's input, in pixels.
        crop: See :func:`xairank.data.images.view`.
        threads: How many decode at a time; 0 as 1.
        faults: Takes what is wrong with a file, in the order of the table.
    """
    count = len(table)
    images = np.zeros((count, size, size, 3), np.uint8)
    masks = np.zeros((count, size, size), np.bool_)
    thumbnails = np.zeros((count, SIDE, SIDE), np.float32)
    paths = list(zip(table["image"], table["mask"], strict=True))

    def fill(row: int) -> Facts | UserError:
        try:
            image, mask = paths[row]
            whole = read_image(image)
            thumbnails[row] = thumbnail(whole)
            images[row] = np.asarray(view(whole, size, crop, Image.Resampling.BILINEAR))
            if mask is None:
                return Facts(*whole.size)
            masks[row], facts = _decode_mask(mask, whole.size, size, crop)
            return facts
        except UserError as error:
            return error

    facts: list[Facts | UserError] = []
    # Pillow's warnings of odd files would tear the progress bar; what cannot be read is a fault.
    with warnings.catch_warnings(), ThreadPoolExecutor(max(1, threads)) as pool:
        warnings.filterwarnings("ignore", module="PIL")
        try:
            results = pool.map(fill, range(count))
            shown = console.is_terminal
            facts += track(results, "Decoding images", count, console=console, transient=True, disable=not shown)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    for found in facts:
        if isinstance(found, UserError):
            faults.add(str(found))
    known = [found if isinstance(found, Facts) else [np.nan] * len(Facts._fields) for found in facts]
    return Decoded(images, masks, thumbnails, pd.DataFrame(known, columns=Facts._fields))


def _decode_mask(path: Path, image_size: tuple[int, int], size: int, crop: Crop) -> tuple[NDArray[np.bool_], Facts]:
    whole = read_mask(path, image_size)
    mask = np.asarray(view(Image.fromarray(whole.astype(np.uint8) * 255), size, crop, Image.Resampling.NEAREST)) > 0
    if mask.all():
        raise UserError(
            f"{path}: the mask covers all that data.crop={crop} leaves of the image, so that every explanation would "
            "lie on it; draw the defect alone, or remove the sample"
        )
    pixels = np.count_nonzero(whole)
    lost = 1 - np.count_nonzero(seen(whole, size, crop)) / pixels
    return mask, Facts(*image_size, pixels, lost, np.count_nonzero(mask))
