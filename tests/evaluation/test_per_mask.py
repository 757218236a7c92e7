import numpy as np
import torch

from xairank.evaluation.per_mask import per_mask


def test_a_batch_is_computed_once_and_told_from_others_by_its_content():
    calls = []

    @per_mask
    def area(mask):
        calls.append(mask.copy())
        return np.full(mask.shape, mask.sum(), float)

    masks = torch.rand(3, 5, 7, generator=torch.Generator().manual_seed(0)) < 0.4
    for _ in range(3):
        found = area(masks)
        torch.testing.assert_close(found, masks.sum(dim=(1, 2)).double()[:, None, None].expand(3, 5, 7))
    assert len(calls) == 3
    np.testing.assert_array_equal(calls, masks)
    masks[0] = True
    assert area(masks)[0, 0, 0] == 35
    assert area(masks.reshape(3, 7, 5)).shape == (3, 7, 5)  # of the same bits
    assert area(masks[:0]).shape == (0, 5, 7)
