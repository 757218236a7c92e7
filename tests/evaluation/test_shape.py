import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays

from tests.evaluation.test_component_overlap import components as grown
from xairank.evaluation.shape import mask_shape

ROWS, COLUMNS = np.mgrid[:64, :64]


def disc(row, column, radius):
    return np.hypot(ROWS - row, COLUMNS - column) < radius


def shape_of(mask):
    components, thinness = mask_shape(torch.from_numpy(mask)[None])
    return components.item(), thinness.item()


@pytest.mark.parametrize("radius", [1, 1.5, 4, 7.3, 20])
def test_a_disc_is_not_thin(radius):
    assert shape_of(disc(30, 32, radius)) == (1, 0.0)


@pytest.mark.parametrize("length", [1, 2, 10, 64])
def test_a_line_is_as_thin_as_it_is_long(length):
    mask = np.zeros((64, 64), bool)
    mask[5, :length] = True
    assert shape_of(mask) == (1, pytest.approx(1 - 1 / length))
    diagonal = np.zeros((64, 64), bool)
    np.fill_diagonal(diagonal[:length, :length], True)  # corners connect
    assert shape_of(diagonal) == (1, pytest.approx(1 - 1 / length))


def test_two_blobs_are_two_components_and_no_thinner_than_one():
    assert shape_of(disc(10, 10, 6) | disc(45, 45, 12)) == (2, 0.0)


def test_thinness_of_components_is_weighted_by_their_pixels():
    mask = disc(30, 30, 6)
    n = int(mask.sum())
    mask[60, :50] = True
    assert shape_of(mask) == (2, pytest.approx(49 / (n + 50)))


def test_a_large_square_leaves_what_a_circle_leaves_of_it():
    assert shape_of(np.pad(np.ones((401, 401), bool), 3))[1] == pytest.approx(1 - np.pi / 4, abs=0.01)


def test_the_edge_of_the_image_is_an_edge_of_the_defect():
    assert shape_of(np.ones((3, 30), bool)) == shape_of(np.pad(np.ones((3, 30), bool), 5))


@given(arrays(bool, (7, 8), elements=some.booleans()))
def test_it_is_what_trying_every_disc_finds(mask):
    mask[3, 3] = True
    pieces = grown(mask)
    padded = np.pad(mask, 1)
    outside = np.argwhere(~padded) - 1
    inside = 0
    for piece in pieces:
        pixels = np.array(sorted(piece))
        sizes = []
        for pixel in pixels:
            nearest = ((outside - pixel) ** 2).sum(axis=1).min()
            sizes.append((((pixels - pixel) ** 2).sum(axis=1) < nearest).sum())
        inside += max(sizes)
    assert shape_of(mask) == (len(pieces), pytest.approx(1 - inside / mask.sum()))


def test_each_mask_of_a_batch_has_its_own_shape():
    masks = torch.from_numpy(np.stack([disc(30, 30, 5), ROWS == 4]))
    assert [part.tolist() for part in mask_shape(masks)] == [[1, 1], [0.0, pytest.approx(63 / 64)]]


def test_an_empty_mask_is_refused():
    with pytest.raises(ValueError, match=r"no pixel in the masks \[1\]"):
        mask_shape(torch.stack([torch.ones(4, 4), torch.zeros(4, 4)]).bool())
