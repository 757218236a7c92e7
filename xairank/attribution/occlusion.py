"""Occlusion."""

import math
from typing import Any

import torch
from torch import Tensor

from xairank.attribution.engine import AttributionMethod, Explanation
from xairank.attribution.forward_pass import ForwardPass
from xairank.attribution.path import BASELINES
from xairank.attribution.stream import stream_scores

FILLS = ("black", "mean_color", "blurred")


class Occlusion(AttributionMethod):
    """How far the explained score falls while a window of the image is hidden (Zeiler & Fergus, ECCV 2014).

    Windows ``W`` lie ``stride`` pixels apart, from the upper left corner; the last ones end at the border. The map is
    the positive part of ``mean over W that cover (i, j) of score(x) - score(x with W filled)``, as in Captum.

    Use it where gradients are not trusted: it needs none, and sees what the network does with the part gone. What it
    finds is as coarse as the window, and evidence that lies in two places at once stays hidden. Cost: a forward pass
    for each window, 169 an image of 224 pixels by default.

    Args:
        window: Side of the hidden square, in pixels.
        stride: From one window to the next, in pixels; at most the window, so that every pixel is covered.
        fill: What is put in its place: ``black``, the image's ``mean_color``, or the image ``blurred``.
        **options: Those of every method, see :class:`~xairank.attribution.AttributionMethod`.

    Raises:
        ValueError: An option that is not allowed; names it and what is.
    """

    label = "Occlusion"

    def __init__(self, window: int = 32, stride: int = 16, fill: str = "black", **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        for name, value in (("window", window), ("stride", stride)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name}={value} is not allowed: expected a whole number of pixels of at least 1")
        if stride > window:
            raise ValueError(f"stride={stride} is not allowed: expected at most the window, {window} pixels")
        if fill not in FILLS:
            raise ValueError(f"fill={fill} is not allowed: expected {' or '.join(FILLS)}")
        self.window, self.stride, self.fill = window, stride, fill

    def passes(self, images: Tensor) -> int:
        """About how many forward passes each of these images costs."""
        return math.prod(len(self._spans(size)) for size in images.shape[2:])

    def attribute(self, forward: ForwardPass) -> Explanation:
        """Maps (B, H, W)."""
        images = forward.images
        rows, columns = (self._spans(size).to(images.device) for size in images.shape[2:])
        fills = BASELINES[self.fill](images)[0].expand_as(images)

        def hidden(image: int, windows: slice) -> Tensor:
            numbers = torch.arange(windows.start, windows.stop, device=images.device)
            inside = rows[numbers // len(columns), :, None] & columns[numbers % len(columns), None, :]
            return torch.where(inside[:, None], fills[image], images[image])

        everyone = torch.arange(len(images), device=images.device)
        scores = stream_scores(forward, everyone, len(rows) * len(columns), hidden)
        falls = forward.scores[:, None] - scores
        return _mean_over_windows(falls.unflatten(1, (len(rows), len(columns))), rows, columns).clamp(min=0), {}

    def _spans(self, size: int) -> Tensor:
        """Which pixels of an axis each window covers, (windows, size) bool."""
        count = max(0, -(-(size - self.window) // self.stride)) + 1
        starts = self.stride * torch.arange(count)[:, None]
        pixels = torch.arange(size)
        return (pixels >= starts) & (pixels < starts + self.window)


def _mean_over_windows(falls: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Falls (B, n, m) of windows by row and column -> the mean of those that cover each pixel, (B, H, W).

    Computed once for the pixels that the same windows cover, which are ties: rounding would order them.
    """
    (rows, row_places), (columns, column_places) = (
        spans.to(falls).unique(dim=1, return_inverse=True) for spans in (rows, columns)
    )
    sums = rows.T @ falls @ columns
    means = sums / torch.outer(rows.sum(dim=0), columns.sum(dim=0))
    return means[:, row_places][:, :, column_places]
