"""Whatever is wrong with maps and masks is an error in every metric, and named."""

import pytest
import torch

from tests.evaluation.test_metric import METRICS
from xairank.evaluation.checks import check_inputs, check_masks, check_mass


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinite_maps_name_the_images(bad):
    maps, masks = torch.rand(4, 4, 4), torch.ones(4, 4, 4, dtype=torch.bool)
    maps[1, 2, 2] = maps[3, 0, 0] = bad
    with pytest.raises(ValueError, match=r"^maps: NaN or infinite values in the maps \[1, 3\]; a method that gives"):
        check_inputs(maps, masks)


@pytest.mark.parametrize(
    ("maps", "masks", "message"),
    [
        (torch.rand(1, 4, 4), torch.ones(1, 4, 5, dtype=torch.bool), "one shape"),
        (torch.rand(4, 4), torch.ones(4, 4, dtype=torch.bool), "one shape"),
        (torch.rand(1, 4, 4), torch.ones(1, 4, 4), "expected bool"),
        (torch.ones(1, 4, 4, dtype=torch.int64), torch.ones(1, 4, 4, dtype=torch.bool), "floating"),
        (torch.rand(2, 4, 4), torch.arange(2).bool()[:, None, None].expand(2, 4, 4), r"no pixel in the masks \[0\]"),
        (torch.rand(2, 0, 4), torch.ones(2, 0, 4, dtype=torch.bool), r"no pixel in the masks \[0, 1\]"),
        (torch.tensor([[[float("nan"), 0]]]), torch.ones(1, 1, 2, dtype=torch.bool), "NaN"),
    ],
)
@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_every_metric_refuses_wrong_inputs(metric, maps, masks, message):
    with pytest.raises(ValueError, match=message):
        metric(maps, masks)


def test_mass_has_no_sign():
    maps = torch.rand(3, 4, 4)
    check_mass(maps)
    maps[1, 0, 0] = -1e-300
    check_mass(maps)  # which is zero in float32
    maps[1, 0, 0] = -1e-30
    with pytest.raises(ValueError, match=r"^maps: negative values in the maps \[1\]; expected none, as mass has no"):
        check_mass(maps)


def test_masks_alone():
    check_masks(torch.ones(2, 3, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"no pixel in the masks \[0\]"):
        check_masks(torch.zeros(1, 3, 3, dtype=torch.bool))
