"""Mask files: which pixels are defect, and which files are no masks."""

import numpy as np
import pytest
from PIL import Image

from tests.data.pictures import save
from xairank.data.images import MaskValuesError, read_mask
from xairank.errors import UserError

SQUARE = np.zeros((64, 64), np.bool_)
SQUARE[16:48, 20:48] = True


def palette_mask(*colours):
    image = Image.fromarray(SQUARE.astype(np.uint8)).convert("P")
    image.putpalette([value for colour in colours for value in colour])
    return image


MASKS = {
    "8 bits": Image.fromarray(SQUARE.astype(np.uint8) * 255),
    "8 bits, 0 and 1": Image.fromarray(SQUARE.astype(np.uint8)),
    "1 bit": Image.fromarray(SQUARE),
    "16 bits": Image.fromarray(SQUARE.astype(np.uint16) * 65535),
    "16 bits, 0 and 1": Image.fromarray(SQUARE.astype(np.uint16)),
    "palette": palette_mask((0, 0, 0), (200, 0, 0)),
}


@pytest.mark.parametrize("suffix", ["png", "tiff"])
@pytest.mark.parametrize("image", MASKS.values(), ids=MASKS.keys())
def test_a_mask_is_true_where_it_is_not_black(tmp_path, image, suffix):
    found = read_mask(save(tmp_path / f"m.{suffix}", image), (64, 64))
    assert found.dtype == bool
    assert np.array_equal(found, SQUARE)


def test_of_a_palette_mask_the_colours_count(tmp_path):
    path = save(tmp_path / "m.png", palette_mask((255, 255, 255), (0, 0, 0)))
    assert np.array_equal(read_mask(path, (64, 64)), ~SQUARE)


RAMP = np.arange(64 * 64).reshape(64, 64)


@pytest.mark.parametrize("threshold", [0, 1, 127, 254])
@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_with_a_threshold_the_pixels_above_it_are_defect(tmp_path, threshold, suffix):
    grey = (RAMP % 256).astype(np.uint8)
    assert np.array_equal(read_mask(save(tmp_path / f"m.{suffix}", grey), (64, 64), threshold), threshold < RAMP % 256)


@pytest.mark.parametrize("threshold", [0, 127, 3000])
def test_a_threshold_of_16_bits_is_on_their_scale(tmp_path, threshold):
    path = save(tmp_path / "m.png", RAMP.astype(np.uint16))
    assert np.array_equal(read_mask(path, (64, 64), threshold), threshold < RAMP)


@pytest.mark.parametrize("image", [MASKS["1 bit"], palette_mask((100, 100, 100), (200, 200, 200))])
def test_a_threshold_takes_one_bit_and_palettes_by_their_grey(tmp_path, image):
    assert np.array_equal(read_mask(save(tmp_path / "m.png", image), (64, 64), 127), SQUARE)


@pytest.mark.parametrize("value", [0, 100])
def test_a_mask_with_nothing_above_the_threshold_is_empty(tmp_path, value):
    path = save(tmp_path / "m.png", SQUARE.astype(np.uint8) * value)
    assert not read_mask(path, (64, 64), 127).any()


@pytest.mark.parametrize(
    ("mask", "threshold", "message"),
    [
        (np.full((64, 64), 128, np.uint8), 127, "the mask covers the whole image"),
        (RAMP.astype(np.uint8), 255, "has 8 bits, so that nothing can be above data.mask_threshold=255; .* 0 to 254"),
    ],
)
def test_masks_that_a_threshold_does_not_help_are_named(tmp_path, mask, threshold, message):
    with pytest.raises(UserError, match=rf"crack\.png: .*{message}"):
        read_mask(save(tmp_path / "crack.png", mask), (64, 64), threshold)


def test_a_mask_with_grey_values_says_how_to_use_it(tmp_path):
    path = save(tmp_path / "m.png", SQUARE.astype(np.uint8) * 200 + (RAMP < 3) * np.uint8(9))
    with pytest.raises(MaskValuesError) as caught:
        read_mask(path, (64, 64))
    assert str(caught.value) == (
        f"{path}: the mask has 2 grey values above 0, expected only one; set data.mask_threshold=127 to take "
        "what is above it as defect, or save the masks without antialiasing"
    )
    assert (caught.value.levels, caught.value.largest) == (2, 200)


def test_for_16_bits_the_middle_of_16_bits_is_suggested(tmp_path):
    path = save(tmp_path / "m.png", RAMP.astype(np.uint16))
    with pytest.raises(UserError, match=r"set data.mask_threshold=32767 to take"):
        read_mask(path, (64, 64))


def with_alpha(pixels):
    return np.dstack([pixels, np.full_like(pixels, 255)])


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((64, 64), np.uint8), "the mask is all black"),
        (np.zeros((64, 64), np.uint16), "the mask is all black"),
        (np.full((64, 64), 255, np.uint8), "the mask covers the whole image"),
        (palette_mask((9, 9, 9), (200, 0, 0)), "the mask has 2 grey values above 0"),
        (np.full((32, 64), 255, np.uint8), "the mask is 64 x 32 pixels, its image 64 x 64"),
        (np.full((64, 64, 3), 255, np.uint8), "the mask's mode is RGB; expected a single-channel"),
        (with_alpha(np.full((64, 64), 255, np.uint8)), "the mask's mode is LA; expected a single-channel"),
        (np.arange(64 * 64, dtype=np.int32).reshape(64, 64).astype(np.uint8), "255 grey values above 0"),
        (np.arange(64 * 64, dtype=np.uint16).reshape(64, 64), "4095 grey values above 0"),
    ],
)
def test_masks_that_cannot_be_used_are_named(tmp_path, mask, message):
    path = save(tmp_path / "crack.png", mask)
    with pytest.raises(UserError, match=message) as caught:
        read_mask(path, (64, 64))
    assert str(caught.value).startswith(str(path))
