"""MVTec AD from mirrors, against a real HTTP server on loopback."""

import hashlib
import tarfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import write_category
from xairank.data import download, manifest
from xairank.data.download import Archive, download_category
from xairank.errors import UserError


@pytest.fixture
def archive(tmp_path):
    """A packed category, like MVTec's, and another category beside it."""
    path = tmp_path / "packed.tar.xz"
    with tarfile.open(path, "w:xz") as packed:
        for name in ("nuts", "bolts"):
            packed.add(write_category(tmp_path / "source" / name, good=6, defects=3), name)
        readme = tmp_path / "readme.txt"
        readme.write_text("hello")
        packed.add(readme, "nuts/readme.txt")
    return path


@pytest.fixture
def root(tmp_path, monkeypatch, mirror, archive):
    """A data folder whose archive is on the mirror."""
    mirror.content = archive.read_bytes()
    known = Archive("all.tar.xz", (f"{mirror.address}/missing/a", f"{mirror.address}/whole/b"))
    known = known._replace(sha256=hashlib.sha256(mirror.content).hexdigest())
    monkeypatch.setattr(download, "FULL", known)
    monkeypatch.setattr(download, "CATEGORIES", ("nuts", "bolts"))
    return tmp_path / "data"


def test_the_next_mirror_gives_the_category_and_no_other(root, mirror, tmp_path):
    folder = download_category(root, "nuts")
    assert [mode for mode, _ in mirror.requests] == ["missing", "whole"]
    assert sorted(path.name for path in root.iterdir() if path.suffix != ".lock") == ["all.tar.xz", "nuts"]
    assert sorted(path.name for path in folder.iterdir()) == ["ground_truth", "manifest.csv", "test", "train"]
    for path in (tmp_path / "source" / "nuts").rglob("*.png"):
        assert (folder / path.relative_to(tmp_path / "source" / "nuts")).read_bytes() == path.read_bytes()


def test_an_archive_placed_by_hand_is_taken_without_the_network(root, mirror, archive):
    root.mkdir()
    archive.rename(root / "all.tar.xz")
    assert (download_category(root, "bolts") / "test" / "crack" / "000.png").is_file()
    assert mirror.requests == []


def test_an_archive_of_another_hash_is_named_and_kept(root):
    root.mkdir()
    (root / "all.tar.xz").write_bytes(b"something else")
    with pytest.raises(UserError, match=rf"all.tar.xz: has SHA-256 {hashlib.sha256(b'something else').hexdigest()}"):
        download_category(root, "nuts")
    assert [path.name for path in root.iterdir() if path.suffix != ".lock"] == ["all.tar.xz"]


def test_a_category_with_other_files_than_the_original_is_not_left(root, monkeypatch):
    monkeypatch.setattr(manifest, "ORIGINALS", {"nuts": {"test/crack/000.png": "another", "test/crack/900.png": "x"}})
    for _ in range(2):  # nor taken by the next attempt
        with pytest.raises(UserError, match=r"all.tar.xz: is not the original archive \(2 files differ\)"):
            download_category(root, "nuts")
        assert not (root / "nuts").exists()


def test_a_category_that_does_not_exist_costs_no_download(root, mirror):
    with pytest.raises(UserError, match="Nuts: no such category of MVTec AD; did you mean nuts"):
        download_category(root, "Nuts")
    assert mirror.requests == []
    assert not root.exists()


def test_two_at_once_get_it_once(root, mirror):
    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(lambda _: download_category(root, "nuts"), range(2)))
    assert folders == [root / "nuts"] * 2
    assert [mode for mode, _ in mirror.requests] == ["missing", "whole"]


def test_where_no_mirror_gives_it_one_message_says_what_to_do(root, mirror, monkeypatch):
    monkeypatch.setattr(download, "FULL", Archive("all.tar.xz", (f"{mirror.address}/missing/a",)))
    with pytest.raises(UserError) as caught:
        download_category(root, "nuts")
    message = str(caught.value)
    for part in ("answered 404", download.PAGE, f"put it into {root}", f"download category=nuts root={root}"):
        assert part in message
