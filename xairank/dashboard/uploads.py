"""What people give is held in memory, and checked as the files of a data set are."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xairank.dashboard.dropper import Upload
from xairank.data.images import View, read_image, view_image
from xairank.experiment.explain_config import in_keys_of_explain
from xairank.experiment.explain_reading import read_seen_mask

T = TypeVar("T")
_decoder = ThreadPoolExecutor(max_workers=1)  # an image of 89 million pixels takes 270 MB: one at a time


async def decoding(work: Callable[[], T]) -> T:
    """What a function that decodes images gives, computed away from the loop that serves the pages, in turn."""
    return await asyncio.get_running_loop().run_in_executor(_decoder, work)


class Picture(NamedTuple):
    """An image that was decoded: what it is called, and its pixels, upright."""

    name: str
    image: Image.Image


def read_picture(upload: Upload) -> Picture:
    """Decodes an image.

    Raises:
        UserError: It is none, or is too large.
    """
    return Picture(upload.name, read_image(Path(upload.name), upload.content))


def see_image(picture: Picture, view: View) -> NDArray[np.uint8]:
    """An image in a network's view, (S, S, 3)."""
    return np.asarray(view_image(picture.image, view))


def read_mask_of(picture: Picture, upload: Upload, view: View) -> NDArray[np.bool_]:
    """Decodes the mask of an image into a network's view, (S, S).

    Raises:
        UserError: It is no mask of the image.
    """
    with in_keys_of_explain():
        return read_seen_mask(Path(upload.name), picture.image.size, view, upload.content)
