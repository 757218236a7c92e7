"""Gradients or scores at many points of each image, a batch at a time: for integrated gradients and the like."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from xairank.attribution.forward_pass import ForwardPass
from xairank.tensors import by_image

# An image, by its place among the rows, and some of its points -> these points, at the prefix's output or the image.
Points = Callable[[int, slice], Tensor]


class PointGradients(NamedTuple):
    """Gradients at some points of one image.

    Attributes:
        image: Its place among the rows.
        points: Which of its points.
        gradients: Of the explained logit at the prefix's output, (points, c, y, x).
    """

    image: int
    points: slice
    gradients: Tensor


def stream_gradients(forward: ForwardPass, rows: Tensor, n_points: int, points: Points) -> Iterator[PointGradients]:
    """The gradients at ``n_points`` points of each image, in passes of at most ``forward.batch_limit`` points.

    All (image, point) pairs are one stream, so that every pass but the last is full, whatever the number of points: the
    batch limit bounds memory and sets the speed, never the result. What is done with the gradients - a weighted sum,
    a variance - is the caller's business; none of them need be kept.

    Args:
        forward: Of the batch.
        rows: The images of the batch to go through, (R,).
        n_points: Of each image.
        points: Gives the points when their turn comes.
    """
    for batch, inputs, targets in _stream(forward, rows, n_points, points):
        gradients = forward.prefix_gradients(inputs, targets)
        for (image, steps), part in zip(batch, gradients.split(_counts(batch)), strict=True):
            yield PointGradients(image, steps, part)


def stream_input_gradients(
    forward: ForwardPass, rows: Tensor, n_points: int, points: Points
) -> Iterator[PointGradients]:
    """The gradients at the images themselves, (points, C, H, W), of variants of each image; otherwise as above.

    Each goes through the prefix and its transpose. A mean over points on which no image is multiplied costs less with
    :func:`stream_gradients`, as the transpose is then needed once.

    Args:
        forward: Of the batch.
        rows: The images of the batch to go through, (R,).
        n_points: Of each image.
        points: Gives the variants when their turn comes, (points, C, H, W): images, not outputs of the prefix.
    """
    prefixes: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def through_the_prefix(image: int, steps: slice) -> Tensor:
        inputs = points(image, steps).detach().requires_grad_()
        outputs = forward.forward_prefix(inputs)
        prefixes[image, steps.start] = inputs, outputs
        return outputs

    for image, steps, gradients in stream_gradients(forward, rows, n_points, through_the_prefix):
        inputs, outputs = prefixes.pop((image, steps.start))
        yield PointGradients(image, steps, torch.autograd.grad(outputs, inputs, gradients)[0])


def stream_scores(forward: ForwardPass, rows: Tensor, n_points: int, points: Points) -> Tensor:
    """The explained scores at ``n_points`` variants of each image, in passes of at most ``forward.batch_limit``.

    Args:
        forward: Of the batch.
        rows: The images of the batch to go through, (R,).
        n_points: Of each image.
        points: Gives the variants when their turn comes, (points, C, H, W): images, not outputs of the prefix.

    Returns:
        Scores (R, n_points).
    """
    scores = forward.scores.new_empty(len(rows) * n_points)
    begin = 0
    for _, inputs, targets in _stream(forward, rows, n_points, points):
        with torch.no_grad():
            prefix = forward.forward_prefix(inputs)
        scores[begin : begin + len(inputs)] = forward.scores_at(prefix, targets)
        begin += len(inputs)
    return scores.view(len(rows), n_points)


def _stream(
    forward: ForwardPass, rows: Tensor, n_points: int, points: Points
) -> Iterator[tuple[list[tuple[int, slice]], Tensor, Tensor]]:
    """All (image, point) pairs in batches: which they are, the points, and their targets."""
    n_pairs = len(rows) * n_points
    for begin in range(0, n_pairs, forward.batch_limit):
        batch = list(by_image(begin, min(begin + forward.batch_limit, n_pairs), n_points))
        inputs = [points(image, steps) for image, steps in batch]
        images = torch.cat(
            [rows.new_full((count,), image) for (image, _), count in zip(batch, _counts(batch), strict=True)]
        )
        yield batch, torch.cat(inputs) if len(inputs) > 1 else inputs[0], forward.targets[rows[images]]


def _counts(batch: list[tuple[int, slice]]) -> list[int]:
    return [steps.stop - steps.start for _, steps in batch]
