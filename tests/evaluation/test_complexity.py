import math

import numpy as np
import pytest
import quantus
import torch
from scipy.stats import entropy

from tests.evaluation.models import random
from xairank.evaluation import Complexity

MASKS = torch.ones(5, 6, 7, dtype=torch.bool)


def test_is_the_entropy_of_the_shares():
    maps = random(5, 6, 7) - 0.5
    expected = entropy(maps.abs().flatten(1).numpy(), axis=1)
    np.testing.assert_allclose(Complexity()(maps, MASKS).numpy(), expected)


def test_equals_quantus():
    maps = random(5, 6, 7)
    metric = quantus.Complexity(disable_warnings=True, display_progressbar=False, normalise=False)
    expected = metric(
        model=torch.nn.Flatten(),
        x_batch=random(5, 3, 6, 7).numpy(),
        y_batch=np.zeros(5, int),
        a_batch=maps[:, None].numpy(),
    )
    np.testing.assert_allclose(Complexity()(maps, MASKS).numpy(), expected)


@pytest.mark.parametrize("value", [0.0, 1.0, 1e-300, 1e300])
def test_a_constant_map_has_the_largest_entropy_whatever_its_value(value):
    found = Complexity()(torch.full((5, 6, 7), value, dtype=torch.float64), MASKS)
    torch.testing.assert_close(found, torch.full((5,), math.log(42), dtype=torch.float64))


def test_one_pixel_has_none_and_m_pixels_have_the_logarithm_of_m():
    for m in (1, 2, 10):
        maps = torch.zeros(1, 42)
        maps[0, :m] = 3.0
        assert Complexity()(maps.view(1, 6, 7), MASKS[:1]).item() == pytest.approx(math.log(m))


def test_refuses_what_every_metric_refuses():
    maps = random(5, 6, 7)
    maps[2, 1, 1] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        Complexity()(maps, MASKS)
