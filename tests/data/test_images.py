"""Image files of every format and mode give their pixels."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.pictures import noise, save
from xairank.data.images import View, read_image, read_mask, view_image
from xairank.errors import UserError

BILINEAR = Image.Resampling.BILINEAR


def read(path):
    image = read_image(path)
    assert image.mode == "RGB"
    return np.asarray(image)


def test_center_crop_is_the_papers_resize_to_256_and_cut_of_224():
    image = Image.fromarray(noise(300, 300, 3))
    expected = image.resize((256, 256), BILINEAR).crop((16, 16, 240, 240))
    assert np.array_equal(np.asarray(view_image(image, View(224, "center"))), np.asarray(expected))


def test_without_crop_the_whole_image_is_resized():
    image = Image.fromarray(noise(50, 50, 3))
    assert np.array_equal(np.asarray(view_image(image, View(50, "none"))), np.asarray(image))


@pytest.mark.parametrize(
    ("suffix", "options"),
    [("png", {}), ("tiff", {}), ("tif", {"compression": "tiff_lzw"}), ("bmp", {}), ("webp", {"lossless": True})],
)
def test_lossless_formats_give_their_pixels(tmp_path, suffix, options):
    pixels = noise(20, 30, 3)
    assert np.array_equal(read(save(tmp_path / f"a.{suffix}", pixels, **options)), pixels)


@pytest.mark.parametrize(("suffix", "format_"), [("jpg", "JPEG"), ("webp", "WEBP"), ("png", "JPEG")])
def test_lossy_formats_give_nearly_their_pixels_whatever_the_suffix(tmp_path, suffix, format_):
    pixels = np.repeat(np.repeat(noise(4, 4, 3), 16, 0), 16, 1)
    path = tmp_path / f"a.{suffix}"
    save(path, pixels, format=format_, quality=95, **({"subsampling": 0} if format_ == "JPEG" else {}))
    assert np.abs(read(path).astype(int) - pixels).mean() < 6


def test_grey_becomes_three_equal_channels(tmp_path):
    grey = noise(20, 30)
    assert np.array_equal(read(save(tmp_path / "a.png", grey)), np.stack([grey] * 3, axis=2))


def test_palette_images_have_their_palettes_colours(tmp_path):
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8))
    image = image.convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    expected = [[[10, 20, 30], [40, 50, 60]], [[70, 80, 90], [40, 50, 60]]]
    assert read(save(tmp_path / "a.png", image)).tolist() == expected


@pytest.mark.parametrize("channels", [2, 4], ids=["grey", "colour"])
def test_transparent_images_are_drawn_on_black(tmp_path, channels):
    pixels = np.full((1, 3, channels), 200, np.uint8)
    pixels[0, :, -1] = 0, 51, 255
    assert read(save(tmp_path / "a.png", pixels))[0, :, 0].tolist() == [0, 40, 200]


def test_a_transparent_colour_is_black(tmp_path):
    pixels = np.array([[[9, 9, 9], [1, 2, 3]]], np.uint8)
    path = save(tmp_path / "a.png", pixels, transparency=(9, 9, 9))
    assert read(path).tolist() == [[[0, 0, 0], [1, 2, 3]]]


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bits_are_scaled_and_not_clipped(tmp_path, suffix):
    values = np.array([[0, 128, 129, 257, 4095, 32768, 65535]], np.uint16)
    found = read(save(tmp_path / f"a.{suffix}", values))[0, :, 0]
    assert found.tolist() == [round(value / 257) for value in values[0].tolist()] == [0, 0, 1, 1, 16, 128, 255]


def test_big_endian_16_bits_are_read_as_such(tmp_path):
    path = tmp_path / "a.tiff"
    entries = [(256, 3, 1, 2), (257, 3, 1, 1), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1)]
    entries += [(273, 4, 1, 8), (277, 3, 1, 1), (278, 3, 1, 1), (279, 4, 1, 4)]
    directory = struct.pack(">H", len(entries))
    for tag, kind, count, value in entries:
        directory += struct.pack(">HHI", tag, kind, count) + (
            struct.pack(">HH", value, 0) if kind == 3 else struct.pack(">I", value)
        )
    path.write_bytes(b"MM\x00\x2a" + struct.pack(">I", 12) + struct.pack(">HH", 257, 65535) + directory + bytes(4))
    assert read(path)[0, :, 0].tolist() == [1, 255]


def test_16_bit_colours_keep_their_upper_bits(tmp_path):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    row = b"\0" + struct.pack(">HHH", 0x12FF, 0x8000, 0xFFFF)
    path = tmp_path / "a.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    )
    assert read(path).tolist() == [[[0x12, 0x80, 0xFF]]]


def test_cmyk_is_converted_plainly(tmp_path):
    ink = Image.fromarray(np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 0, 0, 255]]], np.uint8), "CMYK")
    assert read(save(tmp_path / "a.tiff", ink)).tolist() == [[[255, 255, 255], [0, 255, 255], [0, 0, 0]]]


def test_the_orientation_of_exif_is_applied_to_image_and_mask(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    pixels = noise(20, 30, 3)
    path = save(tmp_path / "a.png", pixels, exif=exif)
    assert np.array_equal(read(path), np.rot90(pixels, -1))
    mask = np.zeros((30, 20), np.uint8)
    mask[:5] = 255
    assert np.array_equal(read_mask(save(tmp_path / "m.png", mask), read_image(path).size), mask > 0)
    turned = save(tmp_path / "t.png", np.ascontiguousarray(np.rot90(mask)), exif=exif)
    assert np.array_equal(read_mask(turned, (20, 30)), mask > 0)


def test_of_several_pages_the_first_counts(tmp_path):
    first, second = (Image.fromarray(np.full((4, 4), value, np.uint8)) for value in (10, 20))
    path = save(tmp_path / "a.tiff", first, save_all=True, append_images=[second])
    assert (read(path) == 10).all()


def test_floating_point_pixels_are_refused(tmp_path):
    path = save(tmp_path / "a.tiff", np.ones((4, 4), np.float32))
    with pytest.raises(UserError, match=r"a\.tiff: its pixels are of mode F; save it as 8-bit"):
        read_image(path)


def test_values_beyond_16_bits_are_refused(tmp_path):
    path = save(tmp_path / "a.tiff", np.array([[0, 70000]], np.int32))
    with pytest.raises(UserError, match=r"a\.tiff: its pixels reach from 0 to 70000; expected 0 to 65535"):
        read_image(path)


def test_what_a_file_holds_is_read_as_the_file_is(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(path)
    np.testing.assert_array_equal(read_image(Path("elsewhere.png"), path.read_bytes()), read_image(path))
    mask = Image.new("L", (4, 4))
    mask.putpixel((1, 2), 255)
    mask.save(path)
    found = read_mask(Path("elsewhere.png"), (4, 4), content=path.read_bytes())
    np.testing.assert_array_equal(found, read_mask(path, (4, 4)))
