"""Images and masks that are explained, decoded once into the network's view."""

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xairank.console import tracker
from xairank.data.images import MaskValuesError, Size, View, read_image, read_mask, view_image
from xairank.data.loose_images import LooseImage
from xairank.data.masks import view_mask
from xairank.explanations.folder import ExplanationFolder, Seen

_THREADS = 4  # that decode


def read_images(folder: ExplanationFolder, images: Sequence[LooseImage], view: View) -> None:
    """Decodes every file into the network's view, before anything slow happens: a broken one ends it all."""

    def keep(one: LooseImage) -> None:
        whole = read_image(one.image)
        mask = None if one.mask is None else read_seen_mask(one.mask, whole.size, view)
        folder.write_seen(one.key, Seen(np.asarray(view_image(whole, view)), mask))

    with warnings.catch_warnings(), ThreadPoolExecutor(_THREADS) as pool:
        warnings.filterwarnings("ignore", module="PIL")
        try:
            for _ in tracker("Reading images")(pool.map(keep, images), len(images)):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def read_seen_mask(path: Path, image_size: Size, view: View, content: bytes | None = None) -> NDArray[np.bool_]:
    """A mask in the network's view; all false where it holds no defect, as some data sets have it for good images.

    Args:
        path: The mask file.
        image_size: Of its image.
        view: Of the network.
        content: As of :func:`xairank.data.images.read_image`.

    Raises:
        UserError: As of :func:`xairank.data.images.read_mask`.
    """
    try:
        whole = read_mask(path, image_size, view.mask_threshold, content)
    except MaskValuesError as error:
        if error.levels:
            raise
        return np.zeros((view.size, view.size), np.bool_)
    return view_mask(whole, view).mask if whole.any() else np.zeros((view.size, view.size), np.bool_)
