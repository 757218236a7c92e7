"""Image and mask files -> uint8 arrays of one size."""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from xairank.errors import UserError

Crop = Literal["center", "none"]
# The paper resizes to 256 and cuts out the central 224: the frame is 8/7 of the crop.
FRAME = 256 / 224


def read_image(path: Path, size: int, crop: Crop) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Decodes an image as RGB, resized bilinearly with antialiasing.

    Args:
        path: The image file.
        size: Height and width of the result, in pixels.
        crop: ``center`` resizes to 8/7 of ``size`` and cuts out the centre; ``none`` resizes to ``size``.

    Returns:
        The image (size, size, 3), and the file's own (width, height).

    Raises:
        UserError: The file is not a readable image.
    """
    image = _open(path).convert("RGB")
    return np.asarray(_fit(image, size, crop, Image.Resampling.BILINEAR)), image.size


def read_mask(path: Path, image_size: tuple[int, int], size: int, crop: Crop) -> NDArray[np.bool_]:
    """Decodes a defect mask, resized to the nearest pixel.

    Args:
        path: The mask file: one channel, every pixel 0 or one same other value.
        image_size: (width, height) of its image's file; the mask's must be the same.
        size: As in :func:`read_image`.
        crop: As in :func:`read_image`.

    Returns:
        The mask (size, size), true on the defect; all false where the crop removed the defect.

    Raises:
        UserError: The mask is unreadable, of another size, not single-channel, not two-valued, or all black.
    """
    mask = _open(path)
    if mask.size != image_size:
        raise UserError(
            f"{path}: the mask is {mask.size[0]} x {mask.size[1]} pixels, its image {image_size[0]} x {image_size[1]}; "
            "export the mask in the size of its image"
        )
    if mask.mode not in ("1", "L"):
        raise UserError(f"{path}: the mask's mode is {mask.mode}; expected a single-channel (grey) mask of 0 and 255")
    levels = [level for level, count in enumerate(mask.convert("L").histogram()) if count and level > 0]
    if not levels:
        raise UserError(f"{path}: the mask is all black, but its image counts as a defect; draw the defect in white")
    if len(levels) > 1:
        raise UserError(
            f"{path}: the mask has {len(levels)} grey values above 0; expected only 0 and 255; "
            "save it without antialiasing"
        )
    return np.asarray(_fit(mask.convert("L"), size, crop, Image.Resampling.NEAREST)) > 0


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = "is not an image" if isinstance(error, UnidentifiedImageError) else f"cannot be read ({error})"
        raise UserError(f"{path}: {reason}; replace the file or remove it together with its mask") from None


def _fit(image: Image.Image, size: int, crop: Crop, resampling: Image.Resampling) -> Image.Image:
    if crop == "none":
        return image.resize((size, size), resampling)
    frame = round(size * FRAME)
    offset = (frame - size) // 2
    resized = image.resize((frame, frame), resampling)
    return resized.crop((offset, offset, offset + size, offset + size))
