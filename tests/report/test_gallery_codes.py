"""Maps as a page takes them: exact top-K sets, close values, small."""

import base64
import zlib

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from xairank.evaluation import topk_overlap
from xairank.evaluation.overlap import top_pixels
from xairank.explanations.overlay import brightest
from xairank.report.map_codes import MOST_BITS, code_map, pack_map, pack_mask, pack_shares, top_weights

SIZE = 96


def unpack(packed, shape):
    """The values that a page reads, in another way than the page does."""
    codes = np.frombuffer(zlib.decompress(base64.b64decode(packed["codes"])), np.uint8).reshape(shape)
    if packed["differences"]:
        codes = codes.astype(int).cumsum(axis=1) % 256
    return np.array(packed["levels"])[codes]


def square(k):
    mask = np.zeros(SIZE * SIZE, bool)
    mask[:k] = True
    return mask.reshape(SIZE, SIZE)


def maps():
    generator = np.random.default_rng(0)
    noise = generator.exponential(1, (SIZE, SIZE)).astype(np.float32)
    smooth = np.maximum(gaussian_filter(generator.normal(0, 1, (SIZE, SIZE)), 12), 0).astype(np.float32)
    return {
        "noise": noise,
        "smooth, with zeros": smooth,
        "heavy tail": (noise**8).astype(np.float32),
        "few values": generator.integers(0, 5, (SIZE, SIZE)).astype(np.float32),
        "constant": np.ones((SIZE, SIZE), np.float32),
        "zero": np.zeros((SIZE, SIZE), np.float32),
        "negative": -noise,
        "one peak": np.eye(1, SIZE * SIZE, 77, dtype=np.float32).reshape(SIZE, SIZE),
    }


@pytest.mark.parametrize("k", [1, 7, 500, SIZE * SIZE - 1])
@pytest.mark.parametrize("name", maps())
def test_the_top_k_set_of_the_mask_is_exact(name, k):
    attribution, mask = maps()[name], square(k)
    read = unpack(pack_map(attribution, k), (SIZE, SIZE))
    tensors = [torch.from_numpy(np.stack([some])) for some in (attribution, read, mask)]
    for expected, found in zip(top_pixels(tensors[0], tensors[2]), top_pixels(tensors[1], tensors[2]), strict=True):
        assert torch.equal(expected, found)
    assert topk_overlap(tensors[1].float(), tensors[2]) == topk_overlap(tensors[0], tensors[2])


@pytest.mark.parametrize("name", maps())
def test_values_keep_their_order(name):
    attribution = maps()[name]
    read = unpack(pack_map(attribution, 100), (SIZE, SIZE)).ravel()
    assert (np.diff(read[np.argsort(attribution, axis=None, kind="stable")]) >= 0).all()


def test_values_are_close_up_to_the_brightest_colour():
    attribution = maps()["smooth, with zeros"]
    read = unpack(pack_map(attribution, 100), (SIZE, SIZE))
    highest = brightest(attribution)
    shown = attribution < highest
    assert np.abs(read - attribution)[shown].max() < highest / 200


@pytest.mark.parametrize("k", [60, 200, 1500])
def test_other_cuts_move_few_pixels(k):
    attribution = maps()["noise"]
    read = unpack(pack_map(attribution, 400), (SIZE, SIZE))
    differing = np.abs(top_weights(read, k) - top_weights(attribution, k)).sum() / 2
    assert differing < 0.12 * k


def test_noise_takes_fewer_levels_and_no_more_room_than_allowed():
    noise = pack_map(maps()["noise"], 400)
    assert len(noise["codes"]) * 6 <= (MOST_BITS + 0.4) * SIZE * SIZE
    assert len(noise["levels"]) < 128 < len(pack_map(maps()["smooth, with zeros"], 400)["levels"])


def test_levels_rise_and_fit_a_byte():
    codes, levels = code_map(maps()["heavy tail"], 300, 200)
    assert (np.diff(levels) > 0).all()
    assert codes.dtype == np.uint8
    assert codes.max() == len(levels) - 1 < 256


def test_top_weights_share_the_places_that_are_left_among_ties():
    found = top_weights(np.array([[3.0, 1.0], [1.0, 1.0]]), 2)
    np.testing.assert_allclose(found, [1, 1 / 3, 1 / 3, 1 / 3])


def test_masks_and_predicted_masks_come_back():
    mask = np.random.default_rng(0).random((5, 9)) < 0.3
    bits = np.frombuffer(zlib.decompress(base64.b64decode(pack_mask(mask))), np.uint8)
    np.testing.assert_array_equal(np.unpackbits(bits, count=45).reshape(5, 9), mask)
    shares = np.random.default_rng(1).random((5, 9))
    assert np.abs(unpack(pack_shares(shares), (5, 9)) - shares).max() < 0.5 / 63 + 1e-4
