"""The stream of points against one pass a point."""

import pytest
import torch

from tests.attribution.networks import images_and_targets, network, relative_error
from xairank.attribution.forward_pass import ForwardPass
from xairank.attribution.protocol import explaining
from xairank.attribution.score import logit
from xairank.attribution.stream import stream_gradients


@pytest.mark.parametrize("limit", [1, 3, 4, 64])
@pytest.mark.parametrize("rows", [[0, 1, 2], [2, 0], [1]])
def test_each_point_s_gradient_is_that_of_a_pass_of_its_own(limit, rows):
    model, (images, targets) = network("resnet18", torch.float64), images_and_targets(3, torch.float64)
    noise = torch.rand(len(rows), 5, *images.shape[1:], dtype=torch.float64)
    rows = torch.tensor(rows)
    with explaining(model):
        forward = ForwardPass(model, images, targets, limit)
        found = torch.zeros_like(noise)
        sizes = []
        for image, points, gradients in stream_gradients(
            forward, rows, 5, lambda image, points: images[rows[image]] + noise[image, points]
        ):
            found[image, points] = gradients
            sizes.append(len(gradients))
        assert sum(sizes) == noise.shape[0] * 5
        for image, row in enumerate(rows):
            for point in range(5):
                inputs = (images[row] + noise[image, point])[None].requires_grad_()
                score = logit(model(inputs), targets[row, None]).sum()
                (expected,) = torch.autograd.grad(score, inputs)
                assert relative_error(found[image, point, None], expected) < 1e-9


def test_every_pass_but_the_last_is_full_and_points_are_made_when_their_turn_comes():
    model, (images, targets) = network("resnet18"), images_and_targets(3)
    asked, passes = [], []

    def points(image, steps):
        asked.append((image, steps.start, steps.stop))
        return images[image].expand(steps.stop - steps.start, -1, -1, -1)

    with explaining(model):
        forward = ForwardPass(model, images, targets, 4)
        gradients = forward.prefix_gradients
        forward.prefix_gradients = lambda inputs, targets: passes.append(len(inputs)) or gradients(inputs, targets)
        stream = stream_gradients(forward, torch.arange(3), 5, points)
        next(stream)
        assert asked == [(0, 0, 4)]
        list(stream)
    assert passes == [4, 4, 4, 3]
    assert asked == [(0, 0, 4), (0, 4, 5), (1, 0, 3), (1, 3, 5), (2, 0, 2), (2, 2, 5)]
