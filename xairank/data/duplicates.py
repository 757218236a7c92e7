"""Which images show the same: copies that were re-encoded, resized, brightened or taken twice.

The rule. Each image becomes a thumbnail of 32 x 32 grey pixels, of zero mean and unit length, so that brightness and
contrast do not count. Two images are near-duplicates where their thumbnails are at most 0.1 apart, and at most a third
of what is usual in the data (the median distance of an image to its tenth nearest), because images of one part before
one background all look alike. What is chained by such pairs is one group.

Measured: the nearest two of 313 transistors of MVTec AD are 0.154 apart, of 14 hazelnuts 0.320, of 501 rendered
hazelnuts 0.160. Copies of transistors are up to 0.005 from their originals (JPEG of quality 75), 0.001 (90 % of the
size), 0.03 (brighter by 10 %), 0.05 (gamma 0.8), and 0.06 where one pixel of 384 was cut off all round. Copies that are
turned, mirrored or shifted further are not found, nor, where most images have ten copies, any but identical ones.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SIDE = 32
NEAR = 0.1
USUAL_NEIGHBOUR = 10
SHARE_OF_USUAL = 1 / 3
IDENTICAL = 1e-4  # what rounding leaves between thumbnails of the same pixels
_ROWS = 1000  # compared at once


def thumbnail(image: Image.Image) -> NDArray[np.float32]:
    """An image in 32 x 32 grey values."""
    # Floating point keeps what little contrast a dull image has.
    grey = image.convert("L").convert("F")
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def group_near_duplicates(thumbnails: NDArray[np.float32]) -> NDArray[np.int64]:
    """The number of each image's group (N,), of thumbnails (N, 32, 32); an image without near-duplicate is a group."""
    vectors = _normalise(thumbnails)
    count = len(vectors)
    if count < 2:
        return np.arange(count)
    neighbour = min(USUAL_NEIGHBOUR, count - 1)  # the nearest of all, at 0, is the image itself
    usual = np.median(
        np.concatenate([np.partition(d, neighbour, axis=1)[:, neighbour] for _, d in _distances(vectors)])
    )
    threshold = max(IDENTICAL, min(NEAR, SHARE_OF_USUAL * float(usual)))
    pairs = [np.argwhere(d <= threshold) + np.array([first, 0]) for first, d in _distances(vectors)]
    rows, columns = np.concatenate(pairs).T
    graph = coo_array((np.ones(len(rows), np.bool_), (rows, columns)), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _normalise(thumbnails: NDArray[np.float32]) -> NDArray[np.float64]:
    """Vectors (N, 1024) of zero mean and unit length; a thumbnail of one grey becomes zero."""
    vectors = thumbnails.reshape(len(thumbnails), SIDE * SIDE).astype(np.float64)
    vectors -= vectors.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > SIDE * IDENTICAL)


def _distances(vectors: NDArray[np.float64]) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Distances of some images to all, (rows, N), with the first one's row: never all at once, which N = 20,000 is."""
    squares = (vectors**2).sum(axis=1)
    for first in range(0, len(vectors), _ROWS):
        part = slice(first, first + _ROWS)
        squared = squares[part, None] + squares - 2 * vectors[part] @ vectors.T
        yield first, np.sqrt(np.maximum(0, squared))
