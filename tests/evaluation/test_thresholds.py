import numpy as np
import torch
from hypothesis import given

from tests.evaluation.cases import pairs, tied_cases
from xairank.evaluation.thresholds import score_cuts


@given(case=tied_cases())
def test_counts_at_every_value_that_the_map_has_in_the_mask(case):
    seen = []
    score_cuts(*case, lambda cuts: float(len(seen.append(cuts) or [])))
    for cuts, (values, mask) in zip(seen, pairs(*case), strict=True):
        thresholds = np.unique(values[mask])
        np.testing.assert_array_equal(cuts.inside, [(values[mask] >= t).sum() for t in thresholds])
        np.testing.assert_array_equal(cuts.new, [(values[mask] == t).sum() for t in thresholds])
        np.testing.assert_array_equal(cuts.outside, [(values[~mask] >= t).sum() for t in thresholds])
        np.testing.assert_array_equal(cuts.outside_above, [(values[~mask] > t).sum() for t in thresholds])
        assert (cuts.n_inside, cuts.n_outside) == (mask.sum(), (~mask).sum())


def test_zeros_of_either_sign_are_tied():
    maps, masks = torch.tensor([[[0.0, -0.0]]]), torch.tensor([[[True, False]]])
    score_cuts(maps, masks, lambda cuts: np.testing.assert_array_equal(cuts.outside, [1]) or 0.0)
