"""Files that cannot be read as an image are named; damaged ones do nothing worse."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.pictures import noise, save
from xairank.data.images import read_image
from xairank.errors import UserError


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


@pytest.mark.parametrize(("content", "reason"), [(b"", "is empty"), (b"a text", "is not an image")])
def test_content_that_is_no_image_is_named_without_a_look_at_the_disk(content, reason):
    with pytest.raises(UserError, match=rf"notes.png: {reason}.*; choose another file"):
        read_image(Path("notes.png"), content)
