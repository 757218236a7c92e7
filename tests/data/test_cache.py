"""Decoded data is kept by the content of its files, and gives the bits that decoding gives."""

import os
import threading

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from tests.data.test_datamodule import module
from xairank.data import cache
from xairank.data.cache import cache_folder, decode_once
from xairank.data.decoding import decode
from xairank.data.faults import Faults
from xairank.data.images import View
from xairank.data.index import Source, index_samples

VIEW = View(48, "none")
ARRAYS = ("images", "masks", "thumbnails")


@pytest.fixture(autouse=True)
def empty(monkeypatch, tmp_path):
    """A cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def table(category):
    return index_samples(Source(category.name, root=category.parent), Faults())


@pytest.fixture
def calls(monkeypatch):
    """The views that were really decoded."""
    found = []

    def counted(table, view, *rest):
        found.append(view)
        return decode(table, view, *rest)

    monkeypatch.setattr(cache, "decode", counted)
    return found


def read(table, view=VIEW, faults=None):
    return decode_once(table, view, 2, faults or Faults())


def entries():
    return sorted(path.name for path in cache_folder().iterdir() if not path.name.startswith("."))


def test_every_bit_is_that_of_decoding_and_the_second_time_nothing_is_decoded(table, calls):
    plain = decode(table, VIEW, 2, Faults())
    for found in (read(table), read(table)):
        for name in ARRAYS:
            assert isinstance(getattr(found, name), np.memmap)
            assert getattr(found, name).dtype == getattr(plain, name).dtype
            assert np.array_equal(getattr(found, name), getattr(plain, name))
        pd.testing.assert_frame_equal(found.facts, plain.facts)
        assert found.errors == []
    assert calls == [VIEW]


def test_a_module_with_cache_has_the_fingerprint_of_one_without(category):
    plain = module(category)
    for _ in range(2):
        cached = module(category, cache=True)
        assert cached.fingerprint() == plain.fingerprint()
        assert torch.equal(cached.samples.images, plain.samples.images)
        pd.testing.assert_frame_equal(cached.table, plain.table)
        assert cached.notices == plain.notices


def test_what_is_written_into_the_arrays_stays_there(table):
    read(table).images[:] = 7
    assert not (read(table).images == 7).all()


def test_another_view_or_another_content_is_decoded_anew(table, category, calls):
    read(table)
    read(table, View(32, "none"))
    changed = category / "test/crack/000.png"
    Image.open(changed).transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(changed)
    row = table.index[table["image"] == changed][0]
    assert np.array_equal(read(table).images[row], np.asarray(Image.open(changed)))
    (category / "ground_truth/crack/000_mask.png").write_bytes(
        (category / "ground_truth/crack/001_mask.png").read_bytes()
    )
    assert np.array_equal(read(table).masks[row], read(table).masks[row + 1])
    assert len(calls) == len(entries()) == 4


def test_data_with_a_fault_is_not_kept(table, category):
    (category / "test/crack/000.png").write_bytes(b"no image")
    faults = Faults()
    read(table, faults=faults)
    assert len(faults.messages) == 1
    assert entries() == []


def test_a_file_that_is_missing_is_a_fault_as_without_cache(table, category):
    (category / "test/crack/000.png").unlink()
    faults = Faults()
    read(table, faults=faults)
    assert "000.png: does not exist" in faults.messages[0]


def test_who_comes_while_another_decodes_waits_for_it(table, monkeypatch):
    calls, second = [], threading.Thread(target=lambda: read(table))

    def decode_and_be_joined(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            second.start()
            second.join(timeout=0.3)  # without a lock it would have decoded by then
        return decode(*arguments)

    monkeypatch.setattr(cache, "decode", decode_and_be_joined)
    read(table)
    second.join()
    assert len(calls) == 1


def test_files_that_cannot_be_read_are_made_anew(table, calls):
    read(table)
    (cache_folder() / entries()[0] / "images.npy").write_bytes(b"cut off")
    assert np.array_equal(read(table).images, decode(table, VIEW, 2, Faults()).images)
    assert len(calls) == 2
    read(table)
    assert len(calls) == 2


def test_without_a_folder_that_can_be_written_all_is_decoded(table, tmp_path, calls):
    (tmp_path / "cache").write_text("in the way")
    assert read(table).images.any()
    assert read(table).images.any()
    assert len(calls) == 2


def test_what_was_not_used_for_longest_makes_room(table, monkeypatch):
    views = [View(size, "none") for size in (48, 47, 46)]
    names = []
    for view in views[:2]:
        read(table, view)
        (new,) = set(entries()) - set(names)
        names.append(new)
    for used, name in enumerate(names):  # long ago, the first one first
        os.utime(cache_folder() / name, (used, used))
    read(table, views[0])  # used again
    size = sum(file.stat().st_size for file in (cache_folder() / names[0]).iterdir())
    monkeypatch.setattr(cache, "LIMIT", int(2.5 * size))
    read(table, views[2])
    assert names[0] in entries()
    assert names[1] not in entries()
    assert len(entries()) == 2


def test_what_is_too_large_for_the_disk_is_not_kept(table, monkeypatch):
    monkeypatch.setattr(cache, "LIMIT", 1000)
    assert read(table).images.any()
    assert entries() == []
