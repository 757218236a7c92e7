import numpy as np
import pytest
import torch

from xairank.evaluation.mass import shares


@pytest.mark.parametrize("scale", [1.0, 5e-324, 1e308])
def test_shares_are_of_sum_one_at_any_scale(scale):
    maps = scale * torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]], dtype=torch.float64)
    expected = [[[0.5, 0], [0, 0.5]], [[0.25, 0.25], [0.25, 0.25]]]
    np.testing.assert_array_equal(shares(maps), expected)


def test_the_sum_of_many_single_precision_values_is_taken_in_double_precision():
    maps = torch.full((1, 224, 224), 0.1)
    np.testing.assert_allclose(shares(maps), 1 / 224**2, rtol=1e-12)
