import numpy as np
import torch
from hypothesis import given

from tests.evaluation.cases import tied_cases
from xairank.evaluation.distances import distances_to


@given(case=tied_cases())
def test_every_pixel_to_every_mask_pixel(case):
    _, masks = case
    for found, mask in zip(distances_to(masks), masks.numpy(), strict=True):
        pixels, defect = np.argwhere(np.ones(mask.shape)), np.argwhere(mask)
        expected = np.hypot(*(pixels[:, None] - defect).transpose(2, 0, 1)).min(axis=1).reshape(mask.shape)
        np.testing.assert_array_equal(found, expected)


def test_what_is_remembered_cannot_be_changed_by_its_user():
    masks = torch.zeros(1, 3, 3, dtype=torch.bool)
    masks[0, 0, 0] = True
    distances_to(masks).zero_()
    assert distances_to(masks)[0, 0, 2] == 2
