import numpy as np
import pytest
from PIL import Image

from xairank.data.images import read_image, read_mask
from xairank.errors import UserError


def save(path, pixels):
    Image.fromarray(pixels).save(path)
    return path


def test_center_crop_is_the_papers_resize_to_256_and_cut_of_224(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    found, size = read_image(save(tmp_path / "a.png", pixels), 224, "center")
    expected = Image.fromarray(pixels).resize((256, 256), Image.Resampling.BILINEAR).crop((16, 16, 240, 240))
    assert np.array_equal(found, np.asarray(expected))
    assert size == (300, 300)


def test_without_crop_the_whole_image_is_resized(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    found, _ = read_image(save(tmp_path / "a.png", pixels), 50, "none")
    assert np.array_equal(found, pixels)


def test_a_mask_is_resized_to_the_nearest_pixel_and_stays_binary(tmp_path):
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[16:48, 16:48] = 255
    found = read_mask(save(tmp_path / "m.png", mask), (64, 64), 32, "none")
    assert found.dtype == bool
    assert np.array_equal(found, mask[::2, ::2] > 0)


def test_a_defect_outside_the_crop_leaves_an_empty_mask(tmp_path):
    mask = np.zeros((256, 256), dtype=np.uint8)
    mask[:10, :10] = 255
    assert not read_mask(save(tmp_path / "m.png", mask), (256, 256), 224, "center").any()


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((64, 64), np.uint8), "the mask is all black"),
        (np.full((32, 64), 255, np.uint8), "the mask is 64 x 32 pixels, its image 64 x 64"),
        (np.full((64, 64, 3), 255, np.uint8), "the mask's mode is RGB; expected a single-channel"),
        (np.arange(64 * 64, dtype=np.int32).reshape(64, 64).astype(np.uint8), "255 grey values above 0"),
    ],
)
def test_masks_that_cannot_be_used_are_named(tmp_path, mask, message):
    path = save(tmp_path / "crack.png", mask)
    with pytest.raises(UserError, match=message) as caught:
        read_mask(path, (64, 64), 32, "none")
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("content", [b"", b"not an image", b"truncated"])
def test_unreadable_images_are_named(tmp_path, content):
    path = tmp_path / "000.png"
    if content == b"truncated":
        save(path, np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
        content = path.read_bytes()[:2000]
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"000\.png: (is not an image|cannot be read)"):
        read_image(path, 32, "none")
