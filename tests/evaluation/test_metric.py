"""What every metric promises: one rule for random, constant and zero maps, and for what a map may be."""

import numpy as np
import pytest
import torch
import yaml
from hydra.utils import instantiate
from hypothesis import given, settings

from tests.evaluation.cases import random_cases, shuffled, tied_cases
from xairank.config import CONFIGURATION
from xairank.evaluation import (
    ROCAUC,
    AveragePrecision,
    BestThresholdIoU,
    ComponentOverlap,
    MassAccuracy,
    MassDistance,
    Metric,
    PointingGame,
    TopKIoU,
    TopKOverlap,
)

METRICS: dict[str, Metric] = {
    "topk_overlap": TopKOverlap(),
    "topk_iou": TopKIoU(),
    "pointing_game": PointingGame(),
    "mass_accuracy": MassAccuracy(),
    "average_precision": AveragePrecision(),
    "roc_auc": ROCAUC(),
    "best_threshold_iou": BestThresholdIoU(),
    "component_overlap": ComponentOverlap(),
    "mass_distance": MassDistance(),
}
WITH_TOLERANCE = {**METRICS, "tolerant_pointing_game": PointingGame(tolerance=2.5)}
WITH_CHANCE = {
    name: metric for name, metric in WITH_TOLERANCE.items() if name not in ("topk_iou", "best_threshold_iou")
}
OF_ORDER = {name: metric for name, metric in WITH_TOLERANCE.items() if not metric.non_negative}

each = pytest.mark.parametrize("metric", WITH_TOLERANCE.values(), ids=WITH_TOLERANCE)
each_with_chance = pytest.mark.parametrize("metric", WITH_CHANCE.values(), ids=WITH_CHANCE)
each_of_order = pytest.mark.parametrize("metric", OF_ORDER.values(), ids=OF_ORDER)


def test_the_configuration_has_all_of_them():
    files = [
        yaml.safe_load((CONFIGURATION / "evaluation" / f"{name}.yaml").read_text())
        for name in ("overlap", "plausibility")
    ]
    entries = files[0]["metrics"] | files[1]["metrics"]
    assert {name: type(instantiate(entry)) for name, entry in entries.items()} == {
        name: type(metric) for name, metric in METRICS.items()
    }
    assert len({metric.label for metric in METRICS.values()}) == len(METRICS)


@each_with_chance
def test_a_constant_map_scores_chance_whatever_its_value(metric):
    _, masks = random_cases(6)
    for value in (0.0, 0.1, 1e-310, 1e300):
        maps = torch.full(masks.shape, value, dtype=torch.float64)
        expected = metric.chance(masks)
        if isinstance(metric, AveragePrecision):  # where tied pixels are cut together
            expected = masks.double().mean(dim=(1, 2))
            n = masks[0].numel()
            excess = metric.chance(masks) - expected
            assert ((excess > 0) & (excess < (1 / np.arange(1, n + 1)).sum() / n)).all()
        np.testing.assert_allclose(metric(maps, masks), expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["topk_iou", "best_threshold_iou"])
def test_a_constant_map_where_chance_is_not_known(name):
    maps, masks = random_cases(6)
    assert METRICS[name].chance(masks) is None
    k, n = masks.sum(dim=(1, 2)), masks[0].numel()
    expected = k / (2 * n - k) if name == "topk_iou" else k / n
    np.testing.assert_allclose(METRICS[name](torch.zeros_like(maps), masks), expected)


@each_with_chance
def test_chance_is_the_mean_over_all_orders_of_the_pixels(metric):
    """Of a skewed map, so that the mass is far from evenly spread; within five standard errors."""
    maps, masks = random_cases(1, side=12)
    orders = shuffled(maps**4, 4000)
    scores = metric(orders, masks.expand(len(orders), -1, -1))
    error = scores.std() / len(scores) ** 0.5
    assert abs(scores.mean() - metric.chance(masks)[0]) < 5 * error


@each
@settings(max_examples=30)
@given(case=tied_cases())
def test_scores_are_within_the_limits_and_images_do_not_mix(metric, case):
    maps, masks = case
    scores = metric(maps, masks)
    assert scores.shape == (3,)
    assert ((scores >= metric.low) & (scores <= metric.high)).all()
    assert torch.equal(scores, torch.cat([metric(maps[i : i + 1], masks[i : i + 1]) for i in range(3)]))
    if (chance := metric.chance(masks)) is not None:
        assert (chance.shape, chance.dtype) == ((3,), torch.float64)


@each_of_order
@settings(max_examples=30)
@given(case=tied_cases())
def test_no_increasing_transform_changes_what_reads_the_order_alone(metric, case):
    maps, masks = case
    ranks = torch.unique(maps, return_inverse=True)[1].double()
    expected = metric(ranks, masks)
    for transform in (lambda x: 3 * x - 7, torch.exp, lambda x: x**3, lambda x: -1 / (x + 1)):
        assert torch.equal(metric(transform(ranks), masks), expected)


@pytest.mark.parametrize("metric", [MassAccuracy(), MassDistance()])
def test_metrics_of_mass_depend_on_no_scale_and_refuse_negative_values(metric):
    maps, masks = random_cases(4)
    for scale in (1e-300, 1e300):
        np.testing.assert_allclose(metric(scale * maps, masks), metric(maps, masks), rtol=1e-12)
    with pytest.raises(ValueError, match=r"negative values in the maps \[0, 1, 2, 3\]"):
        metric(maps - 0.5, masks)


@each
def test_the_mask_itself_scores_best(metric):
    _, masks = random_cases(6)
    best = metric.high if metric.higher_is_better else metric.low
    np.testing.assert_allclose(metric(masks.double(), masks), best, atol=1e-12)


@each
def test_a_mask_of_all_pixels_cannot_be_missed(metric):
    maps, masks = torch.rand(2, 5, 7, dtype=torch.float64), torch.ones(2, 5, 7, dtype=torch.bool)
    best = 0.5 if isinstance(metric, ROCAUC) else metric.high if metric.higher_is_better else metric.low
    np.testing.assert_allclose(metric(maps, masks), best, atol=1e-12)
    if (chance := metric.chance(masks)) is not None:
        np.testing.assert_allclose(chance, best, atol=1e-12)


@each_with_chance
def test_chance_refuses_an_empty_mask(metric):
    with pytest.raises(ValueError, match=r"no pixel in the masks \[0\]"):
        metric.chance(torch.zeros(1, 3, 3, dtype=torch.bool))


@each
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_any_floating_type_scores_as_its_values_do_in_double_precision(metric, dtype):
    maps, masks = random_cases(3, side=80)
    np.testing.assert_allclose(
        metric(maps.to(dtype), masks).double(), metric(maps.to(dtype).double(), masks), atol=1e-6
    )


@each
def test_inputs_are_left_as_they_were(metric):
    maps, masks = random_cases(2)
    copies = maps.clone(), masks.clone()
    scores = metric(maps, masks)
    assert all(map(torch.equal, (maps, masks), copies))
    masks.logical_not_()  # in place: another mask, for which nothing may be remembered
    assert not torch.equal(metric(maps, masks), scores)


@each
def test_a_map_that_carries_a_graph_is_scored_as_its_values(metric):
    maps, masks = random_cases(4)
    maps = maps.abs()
    np.testing.assert_array_equal(metric(maps.clone().requires_grad_(), masks).detach(), metric(maps, masks))
