"""Image and mask files -> 8-bit pixels, and the images as the model sees them.

Every image becomes 8-bit RGB, in a way that depends on the file alone:

- grey and palette images: their colours, in RGB;
- transparent images: drawn on black;
- 16-bit grey images: 0 to 65535 become 0 to 255, rounded; darker ranges are not stretched, so that images of one data
  set stay comparable; 16-bit RGB: the upper 8 bits;
- CMYK, YCbCr: Pillow's plain conversion; colour profiles are not applied;
- the orientation in EXIF is applied, to images and to masks;
- files with several pages or frames: the first.

Floating-point pixels have no known range and are refused. So are images of more than 89 million pixels (Pillow's limit,
``PIL.Image.MAX_IMAGE_PIXELS``), before they are decoded.
"""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from xairank.errors import UserError

Crop = Literal["center", "none"]
Size = tuple[int, int]  # width and height, in pixels
# The paper resizes to 256 and cuts out the central 224: the frame is 8/7 of the crop.
FRAME = 256 / 224
# Pillow knows many more, some through other programs.
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N", "I")
_TRANSPARENT = ("RGBA", "RGBa", "LA", "La", "PA")


@dataclass(frozen=True)
class View:
    """How images and masks become the model's input.

    Attributes:
        size: Width and height of the model's input, in pixels.
        crop: ``center`` resizes to 8/7 of ``size`` and cuts out the centre; ``none`` resizes to ``size``.
        mask_threshold: The value above which a mask's pixel is defect; None expects masks of two values.
    """

    size: int
    crop: Crop
    mask_threshold: int | None = None

    @property
    def side(self) -> int:
        """Width and height of the resized image before cropping, in pixels."""
        return self.size if self.crop == "none" else round(self.size * FRAME)

    @property
    def offset(self) -> int:
        """How far into the resized image the view begins, in pixels."""
        return (self.side - self.size) // 2


def read_image(path: Path, content: bytes | None = None) -> Image.Image:
    """Decodes an image file as upright 8-bit RGB, as the module says.

    Args:
        path: The file, or what it is called.
        content: What it holds, where it is not on this disk.

    Raises:
        UserError: The file is not a readable image, too large, or of floating-point pixels.
    """
    image = _open(path, content)
    if image.mode in _SIXTEEN_BITS:
        return Image.fromarray(_to_8_bits(path, np.asarray(image))).convert("RGB")
    if image.mode in _TRANSPARENT or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "black"), image).convert("RGB")
    try:
        if image.mode == "F":
            raise ValueError("floating-point pixels")
        return image.convert("RGB")
    except ValueError:
        raise UserError(f"{path}: its pixels are of mode {image.mode}; save it as 8-bit RGB or grey") from None


class MaskValuesError(UserError):
    """A mask without threshold that has not exactly one value above 0.

    Attributes:
        levels: The number of values above 0.
        largest: The largest value, on the scale of ``data.mask_threshold``.
        threshold: The threshold to suggest: the middle of 8 or 16 bits.
    """

    def __init__(self, path: Path, levels: int, grey: NDArray[np.integer]) -> None:
        self.levels = levels
        self.largest = int(grey.max())
        self.threshold = 127 if grey.dtype == np.uint8 else 32767
        if levels:
            message = (
                f"the mask has {levels} grey values above 0, expected only one; set data.mask_threshold="
                f"{self.threshold} to take what is above it as defect, or save the masks without antialiasing"
            )
        else:
            message = (
                "the mask is all black, but its image counts as a defect; draw the defect in white, or remove the mask "
                "and call the image good"
            )
        super().__init__(f"{path}: {message}")


def read_mask(
    path: Path, image_size: Size, threshold: int | None = None, content: bytes | None = None
) -> NDArray[np.bool_]:
    """Decodes a defect mask, a single channel of one bit, 8 or 16 bits, or a palette.

    Args:
        path: The mask file.
        image_size: Of its image, upright; the mask's must be the same.
        threshold: None: every pixel must be 0 (black) or one same other value, which is defect; for a palette, its
            colours count, not their numbers. A number: the pixels above it are defect; one bit counts as 0 and 255, a
            palette by the grey of its colours.
        content: As of :func:`read_image`.

    Returns:
        The mask (height, width), true on the defect; all false only where nothing is above the threshold.

    Raises:
        UserError: The mask is unreadable, of another size, not single-channel, true everywhere, or, without a
            threshold, not two-valued or all black.
    """
    mask = _open(path, content)
    if mask.size != image_size:
        raise UserError(
            f"{path}: the mask is {_times(mask.size)} pixels, its image {_times(image_size)}; "
            "export the mask in the size of its image"
        )
    if mask.mode not in ("1", "L", "P", *_SIXTEEN_BITS):
        raise UserError(f"{path}: the mask's mode is {mask.mode}; expected a single-channel (grey) mask of 0 and 255")
    defect = _two_valued(path, mask) if threshold is None else _above(path, mask, threshold)
    if defect.all():
        raise UserError(
            f"{path}: the mask covers the whole image, so that every explanation would lie on it; draw the defect alone"
        )
    return defect


def _two_valued(path: Path, mask: Image.Image) -> NDArray[np.bool_]:
    pixels = _palette_colours(mask) if mask.mode == "P" else np.asarray(mask)
    levels = np.flatnonzero(np.bincount(pixels.ravel())) if pixels.dtype == np.uint8 else np.unique(pixels)
    above = np.count_nonzero(levels)
    if above != 1:
        raise MaskValuesError(path, above, _grey(mask))
    return pixels != 0


def _above(path: Path, mask: Image.Image, threshold: int) -> NDArray[np.bool_]:
    grey = _grey(mask)
    if grey.dtype == np.uint8 and threshold >= 255:
        raise UserError(
            f"{path}: the mask has 8 bits, so that nothing can be above data.mask_threshold={threshold}; expected a "
            "threshold from 0 to 254"
        )
    return grey > threshold


def _grey(mask: Image.Image) -> NDArray[np.integer]:
    return np.asarray(mask.convert("L") if mask.mode in ("1", "P") else mask)


def view_image(image: Image.Image, view: View) -> Image.Image:
    """What the model sees of a whole image, resized bilinearly, with antialiasing."""
    resized = image.resize((view.side, view.side), Image.Resampling.BILINEAR)
    start, end = view.offset, view.offset + view.size
    return resized if view.crop == "none" else resized.crop((start, start, end, end))


def _open(path: Path, content: bytes | None) -> Image.Image:
    """Decodes a file, upright.

    Raises:
        UserError: It cannot be decoded, or is too large to be.
    """
    advice = "replace the file or remove it together with its mask" if content is None else "choose another file"
    try:
        with Image.open(path if content is None else BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > (Image.MAX_IMAGE_PIXELS or np.inf):
                raise Image.DecompressionBombError  # Pillow itself only warns up to twice its limit
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return image
    except UnidentifiedImageError:
        empty = path.stat().st_size == 0 if content is None else not content
        reason = "is empty" if empty else f"is not an image (none of {', '.join(FORMATS)})"
    except FileNotFoundError:
        reason = "is a broken link" if path.is_symlink() else "does not exist"
    except OSError as error:
        reason = f"cannot be read ({error.strerror or error})"
    except Image.DecompressionBombError:
        reason = f"has more than {Image.MAX_IMAGE_PIXELS:,} pixels, which is not decoded"
    except Exception as error:  # decoders answer broken files with whatever their arithmetic meets
        reason = f"cannot be read ({type(error).__name__}: {error})"
    raise UserError(f"{path}: {reason}; {advice}")


def _to_8_bits(path: Path, pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    values = pixels.astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise UserError(f"{path}: its pixels reach from {values.min()} to {values.max()}; expected 0 to 65535")
    return ((values + 128) // 257).astype(np.uint8)


def _palette_colours(mask: Image.Image) -> NDArray[np.uint16]:
    """A number for each colour of a palette image, (height, width): 0 for black."""
    indices = np.asarray(mask)
    palette = np.zeros((256, 3), np.uint8)
    colours = np.array(mask.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    palette[: len(colours)] = colours
    distinct = [(0, 0, 0), *sorted({tuple(colour) for colour in palette.tolist()} - {(0, 0, 0)})]
    return np.array([distinct.index(tuple(colour)) for colour in palette.tolist()], np.uint16)[indices]


def _times(size: Size) -> str:
    return f"{size[0]} x {size[1]}"
