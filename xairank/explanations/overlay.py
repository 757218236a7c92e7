"""A map over its image, and the outline of a defect."""

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion

MAP_COLORS = "magma"
BRIGHTEST = 0.995  # quantile of a map shown as the brightest colour: single peaks would leave all else dark
COVER = 0.8  # opacity of the map's highest values over the image
SIDE = 448  # pixels at least of a picture: a view of 224 is small on a screen, and a line in it is coarse


def brightest(attribution: NDArray[np.floating]) -> float:
    """The value of a map that is shown as the brightest colour; 0 where nothing of it is above zero."""
    return max(float(np.quantile(attribution, BRIGHTEST)) or float(attribution.max()), 0.0)


def overlay(
    image: NDArray[np.uint8], attribution: NDArray[np.floating], highest: float | None = None
) -> NDArray[np.floating]:
    """Image (H, W, 3) under the map's colours, which cover the more the higher the map (H, W) is.

    Args:
        image: 8 bits a channel.
        attribution: The map.
        highest: The value shown as the brightest colour, by default the map's own.

    Returns:
        Colours (H, W, 3) in [0, 1].
    """
    highest = brightest(attribution) if highest is None else highest
    strength = np.clip(attribution / (highest or 1.0), 0, 1)[..., None]
    colors = mpl.colormaps[MAP_COLORS](strength[..., 0])[..., :3]
    return (1 - COVER * strength) * (image / 255) + COVER * strength * colors


def picture(
    image: NDArray[np.uint8],
    attribution: NDArray[np.floating],
    highest: float,
    mask: NDArray[np.bool_] | None = None,
) -> Image.Image:
    """The overlay as a picture for a screen, with the outline of the mask around the defect.

    A small view is enlarged by a whole number, so that its shorter side has at least :data:`SIDE` pixels. The outline
    lies outside the mask and is white, then black: it shows on dark and on bright ground, and hides nothing inside.
    Where the mask ends at the picture's border it runs along the border, so that it always says which side is meant.
    """
    factor = max(1, -(-SIDE // min(attribution.shape)))
    size = (attribution.shape[1] * factor, attribution.shape[0] * factor)
    if factor > 1:
        image = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
        attribution = _enlarged(attribution, size)
    colors = (overlay(image, attribution, highest) * 255).round().astype(np.uint8)
    if mask is not None and mask.any():
        white, black = _outline(mask.repeat(factor, axis=0).repeat(factor, axis=1))
        colors[black] = 0
        colors[white] = 255
    return Image.fromarray(colors)


def _outline(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The white and the black line around a mask (H, W); along the picture's border they run inside it."""
    around = binary_dilation(mask)
    inner = binary_erosion(np.ones_like(mask))
    border = ~inner
    second = inner & ~binary_erosion(inner)
    return (around & ~mask) | (mask & border), (binary_dilation(around) & ~around) | (mask & second)


def _enlarged(attribution: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.float32]:
    return np.asarray(Image.fromarray(attribution.astype(np.float32)).resize(size, Image.Resampling.BILINEAR))
