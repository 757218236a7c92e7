"""Deletion by an additive model, whose curve is known, by brute force and by Quantus."""

import numpy as np
import pytest
import quantus
import torch
from scipy.integrate import trapezoid
from torch import nn

from tests.evaluation.models import Additive, probe_of, random, square
from xairank.evaluation import Deletion

H, W = 8, 8
MASKS = torch.ones(4, H, W, dtype=torch.bool)


def test_the_curve_of_an_additive_model_is_a_sum_of_what_is_left():
    """Black removes w x of a pixel from the logit: p after q pixels is the sigmoid of the sum of the others."""
    images, weights = random(4, 1, H, W), random(H, W, seed=1) - 0.3
    attributions = (images * weights)[:, 0]
    found = Deletion("black", n_steps=H * W)(attributions, MASKS, probe_of(Additive(weights), images))
    descending = attributions.flatten(1).sort(dim=1, descending=True).values
    left = descending.sum(dim=1, keepdim=True) - torch.cat([torch.zeros(4, 1), descending.cumsum(dim=1)], dim=1)
    expected = torch.trapezoid(left.sigmoid(), dx=1 / (H * W), dim=1)
    torch.testing.assert_close(found, expected)


def brute_force(image, map_, weights, n_steps, least):
    """The area by removing pixel after pixel from a copy; for maps without ties."""
    order = np.argsort(map_.flatten() * (1 if least else -1))
    removed, curve, shares = image.numpy().copy(), [], []
    fill = image.numpy().mean(axis=(1, 2))
    for step in range(n_steps + 1):
        count = step * map_.size // n_steps
        for pixel in order[:count]:
            removed[:, pixel // W, pixel % W] = fill
        curve.append(1 / (1 + np.exp(-(removed * weights.numpy()).sum())))
        shares.append(count / map_.size)
    return trapezoid(curve, shares)


@pytest.mark.parametrize("order", ["most", "least"])
@pytest.mark.parametrize("n_steps", [1, 5, 16])
def test_equals_brute_force(order, n_steps):
    images, weights, maps = random(3, 3, H, W), random(H, W, seed=1) - 0.5, random(3, H, W, seed=2)
    found = Deletion("mean_color", order, n_steps)(maps, MASKS[:3], probe_of(Additive(weights), images))
    expected = [
        brute_force(image, map_.numpy(), weights, n_steps, order == "least")
        for image, map_ in zip(images, maps, strict=True)
    ]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_equals_pixel_flipping_of_quantus():
    """Its curve begins after the first step; put before it what the model says of the whole image.

    Quantus removes channels one by one, so that only images of one channel compare.
    """
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2)).eval()
    images, maps = random(3, 1, H, W), random(3, H, W, seed=2)
    targets = torch.tensor([1, 0, 1])
    flipping = quantus.PixelFlipping(
        features_in_step=8, perturb_baseline=0.0, disable_warnings=True, display_progressbar=False
    )
    curves = flipping(
        model=network,
        x_batch=images.numpy(),
        y_batch=targets.numpy(),
        a_batch=maps[:, None].numpy(),
        softmax=True,
        channel_first=True,
    )
    with torch.no_grad():
        first = network(images.float()).softmax(dim=1).gather(1, targets[:, None])[:, 0].numpy()
    expected = trapezoid(np.concatenate([first[:, None], np.array(curves)], axis=1), dx=1 / 8, axis=1)
    probe = probe_of(lambda some: network(some.float()).detach(), images)
    probe.targets = targets
    found = Deletion("black", n_steps=8)(maps, MASKS[:3], probe)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


def test_the_map_that_knows_the_model_beats_the_others():
    weights = square(H, W, 2, 3, 3)[0].double()
    images = random(4, 3, H, W) + 0.5
    probe = probe_of(Additive(weights), images)
    good, bad = weights.expand(4, -1, -1), (1 - weights).expand(4, -1, -1)
    for order, sign in (("most", 1), ("least", -1)):
        metric = Deletion("black", order)
        assert bool((sign * (metric(bad, MASKS, probe) - metric(good, MASKS, probe)) > 0.1).all())


def test_batches_do_not_matter_and_passes_are_what_is_said():
    images, weights, maps = random(4, 3, H, W), random(H, W, seed=1) - 0.5, random(4, H, W, seed=2).round(decimals=1)
    metric, found = Deletion("blurred", n_steps=5), []
    for batch_limit in (1, 7, 100):
        model = Additive(weights)
        probe = probe_of(model, images, batch_limit)
        found.append(metric(maps, MASKS, probe))
        assert probe.passes == 4 * metric.passes == 24
        assert model.largest_batch == min(batch_limit, 24)
    found.append(torch.cat([metric(maps[i : i + 1], MASKS[:1], probe_of(model, images[i : i + 1])) for i in range(4)]))
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-12, atol=0)
