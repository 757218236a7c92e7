"""A defect mask in the model's view: reduced by area, so that K is the defect's real share and no defect is lost.

The rule. A pixel of the view is covered by the mask to some share of its area, in [0, 1]. The defect gets as many
pixels as these shares add up to, rounded, and at least one where the crop leaves any of it: those that are covered
most, the first in reading order among equals. For all but thin or tiny defects these are the pixels that the mask
covers by half or more. Sampling the nearest pixel instead, as is usual, loses what is thinner than a pixel of the view.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xairank.data.images import View

_DECIMALS = 6  # of a pixel's area; rounding errors are smaller, so equal shares are equal


class MaskView(NamedTuple):
    """A mask (S, S) as the model sees it, and the share of the whole mask that the crop cuts off, in [0, 1]."""

    mask: NDArray[np.bool_]
    lost: float


def view_mask(mask: NDArray[np.bool_], view: View) -> MaskView:
    """Resizes and crops a mask (height, width) that is not empty, as :func:`xairank.data.images.view_image`."""
    shares = _shares(_shares(mask.astype(np.int32), view).T, view).T
    area = round(float(shares.sum()), _DECIMALS)
    count = max(round(area), int(area > 0))
    order = np.argsort(-shares.round(_DECIMALS), axis=None, kind="stable")
    reduced = np.zeros(view.size**2, np.bool_)
    reduced[order[:count]] = True
    seen = area * mask.size / view.side**2  # pixels of the whole mask
    return MaskView(
        reduced.reshape(view.size, view.size), round(max(0.0, 1 - seen / np.count_nonzero(mask)), _DECIMALS)
    )


def _shares(values: NDArray[np.number], view: View) -> NDArray[np.float64]:
    """The means of the rows (N, M) over each of the view's rows, (S, M).

    A row of the view begins and ends between rows of the file; of those it covers in part, that part counts. Without
    matrix products, whose last digits depend on the machine's threads.
    """
    edges = np.arange(view.offset, view.offset + view.size + 1) * len(values) / view.side
    sums = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0, dtype=values.dtype)])
    whole = np.minimum(edges.astype(np.int64), len(values) - 1)
    part = (edges - whole)[:, None]
    at_edges = sums[whole] + part * (sums[whole + 1] - sums[whole])
    return np.diff(at_edges, axis=0) * view.side / len(values)
