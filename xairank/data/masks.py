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
    shares = _shares(np.ascontiguousarray(_shares(mask.astype(np.int32), view).T), view).T
    area = round(float(shares.sum()), _DECIMALS)
    count = max(round(area), int(area > 0))
    order = np.argsort(-shares.round(_DECIMALS), axis=None, kind="stable")
    reduced = np.zeros(view.size**2, np.bool_)
    reduced[order[:count]] = True
    seen = area * mask.size / view.side**2  # pixels of the whole mask
    lost = round(max(0.0, 1 - seen / np.count_nonzero(mask)), _DECIMALS) if view.side > view.size else 0.0
    return MaskView(reduced.reshape(view.size, view.size), lost)


def _shares(values: NDArray[np.number], view: View) -> NDArray[np.float64]:
    """The means of the columns of (M, N) over each of the view's columns, (M, S).

    A column of the view begins and ends within columns of the file, of which that part counts. Running sums instead of
    a matrix product, as the last digits of one depend on the number of threads.
    """
    length = values.shape[1]
    edges = np.arange(view.offset, view.offset + view.size + 1) * length / view.side
    sums = np.zeros((len(values), length + 1), values.dtype)
    np.cumsum(values, axis=1, out=sums[:, 1:])
    whole = np.minimum(edges.astype(np.int64), length - 1)
    at_edges = sums[:, whole] + (edges - whole) * (sums[:, whole + 1] - sums[:, whole])
    return np.diff(at_edges, axis=1) * view.side / length
