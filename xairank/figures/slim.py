"""Makes SVG files smaller without a change to the eye: pictures as palettes, and no digits beyond a hundredth."""

import base64
import io
import re

import numpy as np
from PIL import Image

_PICTURE = re.compile(r"(?<=data:image/png;base64,)[^\"]+")
_PATH = re.compile(r'(?<= d=")[^"]+')
_DIGITS = re.compile(r"-?\d+\.\d{3,}")
_MOST_COLORS = 256


def slim_svg(text: str) -> str:
    """An SVG file as matplotlib writes it, smaller.

    Maps, masks and top-K sets have at most 256 colours, and a byte a pixel says what matplotlib says in four. A unit is
    a point of 1/72 inch, so that a hundredth of it is beyond what is printed or seen.

    Args:
        text: Of the file.
    """
    text = _PICTURE.sub(lambda found: _as_palette(found[0]), text)
    return _PATH.sub(lambda path: _DIGITS.sub(lambda number: f"{round(float(number[0]), 2):g}", path[0]), text)


def _as_palette(encoded: str) -> str:
    """A PNG file (base64) of few colours with a palette of them; of many, as it is."""
    picture = Image.open(io.BytesIO(base64.b64decode(encoded)))
    pixels = np.asarray(picture.convert("RGBA")).view(np.uint32)[:, :, 0]
    colors, numbers = np.unique(pixels, return_inverse=True)
    parts = colors.view(np.uint8).reshape(-1, 4)
    if len(colors) > _MOST_COLORS or (parts[:, 3] < 255).any():
        return encoded
    smaller = Image.fromarray(numbers.reshape(pixels.shape).astype(np.uint8))
    smaller.putpalette(parts[:, :3].tobytes())
    file = io.BytesIO()
    smaller.save(file, "PNG", optimize=True, bits=max(1, int(len(colors) - 1).bit_length()))
    return min(base64.b64encode(file.getvalue()).decode("ascii"), encoded, key=len)
