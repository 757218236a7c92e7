import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xairank.data.images import MaskValuesError, View, read_image, read_mask, view_image
from xairank.errors import UserError

BILINEAR = Image.Resampling.BILINEAR


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def save(path, pixels, **options):
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


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


def write(path, content):
    path.write_bytes(content)


UNREADABLE = {
    "empty": (lambda path: write(path, b""), "is empty"),
    "not an image": (lambda path: write(path, b"not an image"), "is not an image"),
    "truncated": (lambda path: write(save(path, noise(64, 64, 3)), path.read_bytes()[:2000]), "cannot be read"),
    "of another format": (
        lambda path: save(path, noise(9, 9), format="GIF"),
        r"is not an image \(none of PNG, JPEG, TIFF, BMP, WEBP\)",
    ),
    "missing": (lambda path: None, "does not exist"),
    "dangling link": (lambda path: path.symlink_to(path.parent / "gone.png"), "is a broken link"),
    "folder": (lambda path: path.mkdir(), r"cannot be read \(Is a directory\)"),
}


@pytest.mark.parametrize(("make", "reason"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_unreadable_images_are_named(tmp_path, make, reason):
    path = tmp_path / "000.png"
    make(path)
    with pytest.raises(UserError, match=rf"000\.png: {reason}.*; replace the file or remove it") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PermissionError(13, "Permission denied"), "Permission denied"),
        (OSError("image file is truncated"), "image file is truncated"),
        (SyntaxError("broken PNG file"), "SyntaxError: broken PNG file"),
        (struct.error("unpack requires 4 bytes"), "error: unpack requires 4 bytes"),
    ],
)
def test_whatever_a_decoder_says_is_one_line(tmp_path, monkeypatch, error, reason):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(UserError) as caught:
        read_image(tmp_path / "a.png")
    assert str(caught.value).startswith(f"{tmp_path / 'a.png'}: cannot be read ({reason}); replace the file")


@pytest.mark.parametrize("side", [10_000, 20_000, 60_000])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path, monkeypatch, side):
    path = tmp_path / "bomb.png"
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)))
    with path.open("ab") as file:
        data = b"IDAT" + zlib.compress(bytes(1000))
        file.write(struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data)))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda _: pytest.fail("was decoded"))
    with pytest.raises(UserError, match=r"bomb\.png: has more than 89,478,485 pixels, which is not decoded; replace"):
        read_image(path)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("suffix", ["png", "jpg", "tiff", "bmp", "webp"])
def test_a_damaged_file_is_read_or_named_but_nothing_else(tmp_path, suffix):
    generator = np.random.default_rng(1)
    path = save(tmp_path / f"a.{suffix}", noise(24, 24, 3))
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(60):
        damaged = whole.copy()
        damaged[generator.integers(0, len(whole), 8)] = generator.integers(0, 256, 8)
        path.write_bytes(damaged[: generator.integers(1, len(whole) + 1)].tobytes())
        try:
            answer = read_image(path).mode
        except UserError as error:
            answer = str(error)
        assert answer == "RGB" or answer.startswith(str(path))


def test_what_a_file_holds_is_read_as_the_file_is(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(path)
    np.testing.assert_array_equal(read_image(Path("elsewhere.png"), path.read_bytes()), read_image(path))
    mask = Image.new("L", (4, 4))
    mask.putpixel((1, 2), 255)
    mask.save(path)
    found = read_mask(Path("elsewhere.png"), (4, 4), content=path.read_bytes())
    np.testing.assert_array_equal(found, read_mask(path, (4, 4)))


@pytest.mark.parametrize(("content", "reason"), [(b"", "is empty"), (b"a text", "is not an image")])
def test_content_that_is_no_image_is_named_without_a_look_at_the_disk(content, reason):
    with pytest.raises(UserError, match=rf"notes.png: {reason}.*; choose another file"):
        read_image(Path("notes.png"), content)
