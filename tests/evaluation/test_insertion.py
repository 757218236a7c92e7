import pytest
import torch

from tests.evaluation.models import Additive, probe_of, random, square
from xairank.evaluation import Deletion, Insertion

H, W = 8, 8
MASKS = torch.ones(4, H, W, dtype=torch.bool)


def test_the_curve_of_an_additive_model_is_a_sum_of_what_is_there():
    images, weights = random(4, 1, H, W), random(H, W, seed=1) - 0.3
    attributions = (images * weights)[:, 0]
    found = Insertion("black", n_steps=H * W)(attributions, MASKS, probe_of(Additive(weights), images))
    there = attributions.flatten(1).sort(dim=1, descending=True).values.cumsum(dim=1)
    curve = torch.cat([torch.zeros(4, 1, dtype=torch.float64), there], dim=1).sigmoid()
    torch.testing.assert_close(found, torch.trapezoid(curve, dx=1 / (H * W), dim=1))


@pytest.mark.parametrize("fill", ["mean_color", "blurred", "black"])
@pytest.mark.parametrize(("order", "other"), [("most", "least"), ("least", "most")])
def test_is_deletion_in_the_other_order(fill, order, other):
    images, weights, maps = random(4, 3, H, W), random(H, W, seed=1) - 0.5, random(4, H, W, seed=2).round(decimals=1)
    probe = probe_of(Additive(weights), images)
    inserted, deleted = Insertion(fill, order)(maps, MASKS, probe), Deletion(fill, other)(maps, MASKS, probe)
    torch.testing.assert_close(inserted, deleted)
    assert Insertion(fill, order).higher_is_better == Deletion(fill, other).higher_is_better


def test_the_map_that_knows_the_model_beats_the_others():
    weights = square(H, W, 2, 3, 3)[0].double()
    images = random(4, 3, H, W) + 0.5
    probe = probe_of(Additive(weights), images)
    good, bad = weights.expand(4, -1, -1), (1 - weights).expand(4, -1, -1)
    assert bool((Insertion("black")(good, MASKS, probe) > Insertion("black")(bad, MASKS, probe) + 0.1).all())


def test_passes_are_what_is_said():
    images = random(4, 3, H, W)
    probe = probe_of(Additive(torch.ones(H, W)), images)
    metric = Insertion(n_steps=3)
    metric(random(4, H, W), MASKS, probe)
    assert probe.passes == 4 * metric.passes == 16
