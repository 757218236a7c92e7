"""Maps as a page takes them: a byte a pixel, compressed, as text, for a page that may read no files.

A byte is the number of a level, and levels rise with the values, so that a cut between two levels is a top-K set. They
are even steps up to the brightest colour, finer ones of the few pixels above it, and a cut at the K-th largest value:
the top-K set and its overlap with the mask are exact, whatever the number of levels.
"""

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xairank.explanations.overlay import brightest

STEPS = 200  # up to the brightest colour, where a map compresses well
FEWEST_STEPS = 16
TAIL = 25  # steps above it, each with a fifth fewer pixels than the one before
MOST_BITS = 2.9  # a pixel, of what is packed: a map of noise gets fewer steps
PREDICTED_STEPS = 63  # of a predicted mask


def pack_map(attribution: NDArray[np.floating], k: int) -> dict[str, Any]:
    """A map (H, W) as the page's scripts hold it: ``codes``, whether they are ``differences``, ``levels``.

    Args:
        attribution: Finite.
        k: The number of pixels of the mask.
    """
    steps = STEPS
    while True:
        codes, levels = code_map(attribution, k, steps)
        packed = pack(codes)
        excess = len(packed["codes"]) * 6 / codes.size - MOST_BITS
        if excess <= 0 or steps == FEWEST_STEPS:
            break
        steps = max(FEWEST_STEPS, int(steps / 2 ** max(excess, 0.1)))  # half as many steps take about a bit less
    return {**packed, "levels": [float(f"{level:.6g}") for level in levels]}


def code_map(attribution: NDArray[np.floating], k: int, steps: int) -> tuple[NDArray[np.uint8], NDArray[np.floating]]:
    """The level of each pixel (H, W), and the mean value of each level, rising."""
    values = attribution.ravel().astype(np.float32)
    ordered = np.sort(values)
    highest, lowest = np.float32(brightest(attribution)), min(ordered[0], np.float32(0))
    places = np.unique((len(values) * np.geomspace(0.005, 1 / len(values), TAIL)).astype(int).clip(1))
    at_k = ordered[-k]
    edges = [
        np.linspace(lowest, highest, steps + 1, dtype=np.float32)[1:],
        ordered[-places],
        np.array([at_k, np.nextafter(at_k, np.float32(np.inf))]),  # ties at the K-th value are a level of their own
    ]
    numbers = np.searchsorted(np.unique(np.concatenate(edges)), values, side="right")
    counts, sums = np.bincount(numbers), np.bincount(numbers, weights=values)
    held = counts > 0  # levels without a pixel need no number
    codes = (np.cumsum(held) - 1).astype(np.uint8)[numbers]
    return codes.reshape(attribution.shape), sums[held] / counts[held]


def pack(codes: NDArray[np.uint8]) -> dict[str, Any]:
    """Bytes (H, W) deflated, as base64; as differences along the rows where that is shorter, as of smooth maps."""
    plain, differences = map(_deflated, (codes, np.diff(codes, axis=1, prepend=np.uint8(0))))
    shorter = len(differences) < len(plain)
    return {"codes": _text(differences if shorter else plain), "differences": shorter}


def pack_mask(mask: NDArray[np.bool_]) -> str:
    """A mask (H, W), a bit a pixel, deflated, as base64."""
    return _text(_deflated(np.packbits(mask)))


def pack_shares(shares: NDArray[np.floating]) -> dict[str, Any]:
    """Values (H, W) in [0, 1], such as a predicted mask, as :func:`pack_map` packs a map."""
    codes = np.rint(np.clip(shares, 0, 1) * PREDICTED_STEPS).astype(np.uint8)
    return {**pack(codes), "levels": [round(level / PREDICTED_STEPS, 4) for level in range(PREDICTED_STEPS + 1)]}


def top_weights(attribution: NDArray[np.floating], k: int) -> NDArray[np.float64]:
    """The probability (N,) that each pixel is among the top ``k`` when ties are broken at random."""
    values = attribution.ravel()
    at_k = np.partition(values, -k)[-k]
    above, tied = values > at_k, values == at_k
    return above + tied * (k - above.sum()) / tied.sum()


def _deflated(codes: NDArray[np.uint8]) -> bytes:
    compressor = zlib.compressobj(strategy=zlib.Z_FILTERED)  # a tenth less of noise than by default
    return compressor.compress(codes.tobytes()) + compressor.flush()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
