"""Against brute force, a closed form, and the paper's way of making masks."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.attribution.networks import images_and_targets, network, relative_error
from xairank.attribution import RISE, explain, freeze


class Linear(nn.Module):
    """Logits that are sums of weighted pixels."""

    def __init__(self, weights):
        super().__init__()
        self.register_buffer("weights", weights)

    def forward_features(self, images):
        return images * self.weights

    def forward_head(self, features):
        return features.flatten(1).sum(dim=1, keepdim=True).expand(-1, 2)


def test_masks_are_grids_upsampled_bilinearly_and_cut_out_at_a_shift():
    images = torch.zeros(1, 3, 50, 64, dtype=torch.float64)
    method = RISE(n_masks=40, cells=7, probability=0.4, seed=3)
    masks = method.masks(slice(0, 40), images)
    shifts = set()
    for mask, grid, shift in zip(masks, method._grids, method._shifts, strict=True):
        cells = (8, 10)  # pixels of a cell: 50 / 7 and 64 / 7, rounded up
        whole = functional.interpolate(grid[None, None].double(), (8 * cells[0], 8 * cells[1]), mode="bilinear")[0, 0]
        top, left = int(shift[0] * cells[0]), int(shift[1] * cells[1])
        torch.testing.assert_close(mask, whole[top : top + 50, left : left + 64])
        shifts.add((top, left))
    assert len(shifts) > 20
    assert abs(float(method._grids.double().mean()) - 0.4) < 0.03
    torch.testing.assert_close(method.masks(slice(7, 9), images), masks[7:9])


def test_equals_one_pass_a_mask():
    model, (images, targets) = network("resnet18", torch.float64), images_and_targets(2, torch.float64)
    method = RISE(n_masks=70, cells=4)
    masks = method.masks(slice(0, 70), images)
    with torch.no_grad():
        logits = torch.stack([model(images * mask) for mask in masks])  # (masks, images, classes)
    scores = logits.gather(2, targets.expand(70, 2)[:, :, None]).squeeze(2)
    expected = sum(score[:, None, None] * mask for score, mask in zip(scores - scores.mean(0), masks, strict=True))
    costs = {}
    maps, _ = explain({"": method}, freeze(model, images), images, targets, costs=costs)[""]
    assert relative_error(maps, (expected / (0.5 * 70)).clamp(min=0)) < 1e-9
    assert costs[""].passes == 2 * 71


def test_of_a_linear_model_the_map_is_the_masks_covariance_with_its_pixel():
    weights = torch.zeros(1, 3, 32, 32, dtype=torch.float64)
    weights[0, :, 20, 9] = 2
    images = torch.full((1, 3, 32, 32), 0.5, dtype=torch.float64)
    method = RISE(n_masks=500, cells=4, probability=0.3)
    masks = method.masks(slice(0, 500), images).flatten(1)
    covariance = torch.cov(masks.T, correction=0)[20 * 32 + 9].view(32, 32)
    maps = method(Linear(weights), images, torch.tensor([0]))
    torch.testing.assert_close(maps[0], (3 * covariance / 0.3).clamp(min=0))
    row, column = divmod(int(maps[0].argmax()), 32)
    assert abs(row - 20) < 8
    assert abs(column - 9) < 8
    # With the sign turned, showing the pixel lowers the score.
    assert float(method(Linear(-weights), images, torch.tensor([0]))[0, 20, 9]) == 0


def test_the_draw_is_the_seed_s_alone_and_the_batch_cut_does_not_count():
    model, (images, targets) = network("resnet18"), images_and_targets(3)
    maps, _ = explain({"": RISE(n_masks=20)}, model, images, targets, batch_limit=64)[""]
    torch.rand(5)
    cut, _ = explain({"": RISE(n_masks=20)}, model, images, targets, batch_limit=3)[""]
    assert relative_error(cut, maps) < 1e-4
    assert relative_error(RISE(n_masks=20, seed=1)(model, images, targets), maps) > 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_masks": 1}, "n_masks=1 is not allowed: expected a whole number of at least 2"),
        ({"cells": 2.0}, "cells=2.0 is not allowed: expected a whole number of at least 2"),
        ({"probability": 1}, "probability=1 is not allowed: expected a number between 0 and 1"),
        ({"seed": -1}, "seed=-1 is not allowed: expected a whole number of at least 0"),
    ],
)
def test_options_that_are_not_allowed_are_named(options, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        RISE(**options)
