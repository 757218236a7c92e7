"""How one map is kept: the ranks of its pixels, two bytes each, and a few of its values, between which it interpolates.

The ranks hold its top-K sets and its ties exactly.
"""

import io
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

JPEG_QUALITY = 92
VALUE_STEPS = 256

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


def encode_map(values: Floats) -> tuple[Integers, Integers, Floats]:
    """Dense ranks of the values (N,), equal where these are, and knots: some ranks with their values."""
    if not np.isfinite(values).all():
        raise ValueError("maps: NaN or infinite values; a method that gives them cannot be shown")
    levels, ranks = np.unique(values, return_inverse=True)
    steps = np.linspace(float(levels[0]), float(levels[-1]), VALUE_STEPS + 1)
    at_step = np.searchsorted(levels, steps)
    # Both sides of every step bound the error; the first two keep the zeros of a ReLU apart from what follows.
    knots = np.unique(np.concatenate([[0, 1], at_step - 1, at_step]).clip(0, len(levels) - 1))
    return ranks.reshape(-1), knots, levels[knots]


def decode_map(ranks: Integers, knots: NDArray[np.integer], values: Floats) -> Floats:
    """Values by rank, strictly increasing.

    Interpolates the floats' ordinals, which count the representable numbers: as many lie between two knots as between
    the map's own values there, so the slope is at least one and no two ranks meet.
    """
    positions, ordinals = knots.astype(np.int64), _ordinal(values)
    gaps, rises = np.diff(positions, append=positions[-1] + 1), np.diff(ordinals, append=ordinals[-1])
    levels = np.arange(positions[-1] + 1)
    before = np.searchsorted(positions, levels, side="right") - 1
    return _from_ordinal(ordinals[before] + (levels - positions[before]) * rises[before] // gaps[before])[ranks]


def _ordinal(values: Floats) -> Integers:
    """Number of float32 values from zero up (positive) or down (negative) to each value; exact and monotone."""
    bits = values.astype(np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def _from_ordinal(ordinals: Integers) -> Floats:
    magnitudes = np.abs(ordinals).astype(np.int32).view(np.float32)
    return np.where(ordinals < 0, -magnitudes, magnitudes)


def to_bytes(ranks: Integers) -> NDArray[np.uint8]:
    """Planes of bytes, low to high, along a new first axis: they compress better apart."""
    width = 2 if ranks.max(initial=0) < 2**16 else 4
    return np.stack([(ranks >> 8 * byte & 0xFF).astype(np.uint8) for byte in range(width)])


def from_bytes(planes: NDArray[np.uint8]) -> Integers:
    """The ranks of :func:`to_bytes`."""
    ranks = np.zeros(planes.shape[1:], np.int64)
    for byte, plane in enumerate(planes):
        ranks |= plane.astype(np.int64) << 8 * byte
    return ranks


def joined(parts: Iterable[NDArray], dtype: type[np.generic]) -> NDArray:
    """Arrays one behind another, also where there are none."""
    return np.concatenate([np.zeros(0, dtype), *(part.astype(dtype) for part in parts)])


def to_jpeg(image: NDArray[np.uint8]) -> bytes:
    """The bytes of a JPEG file of an image (H, W, 3)."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return stream.getvalue()
