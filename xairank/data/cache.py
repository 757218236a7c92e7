"""Decoded samples as files that are mapped into memory: decoded once a machine, shared by its processes.

They lie in ``decoded`` of the user's cache folder, named by the content of the files they come from, so that data that
changes is decoded anew. What was not used for longest is deleted once there is too much of it.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import PIL
from filelock import FileLock

from xairank.data.decoding import Decoded, decode
from xairank.data.faults import Faults
from xairank.data.images import View
from xairank.files import remove_leftovers, sha256, temporary_beside
from xairank.progress import Track, untracked

DECODER = 1  # raise it with every change of what decoding gives
LIMIT = 20 * 2**30  # bytes of all decoded data that is kept
SHARE = 0.25  # of the free disk that the data of one call may take
_ARRAYS = ("images", "masks", "thumbnails")


def decode_once(table: pd.DataFrame, view: View, threads: int, faults: Faults, track: Track = untracked) -> Decoded:
    """What :func:`xairank.data.decoding.decode` gives, from files where it was decoded before.

    Processes that start together wait for the one that decodes. Data with a fault, or too large for the disk, is not
    kept; nor is anything where the cache folder cannot be written.

    Args:
        table: As of :func:`xairank.data.decoding.decode`, and so are the others.
        view: How images and masks are resized.
        threads: How many decode at a time; 0 as 1.
        faults: Takes what is wrong with a file.
        track: Shows progress.
    """
    try:
        place = cache_folder() / _content(table, view, threads)
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place.with_name(f".{place.name}.lock")).acquire()
    except (OSError, NotImplementedError):  # an unreadable image, or a disk without write access or locks
        return decode(table, view, threads, faults, track)
    with lock:
        found = _load(place)
        if found:
            return found
        decoded = decode(table, view, threads, faults, track)
        if faults.messages:
            return decoded
        try:
            _store(place, decoded)
        except OSError:
            return decoded
    return _load(place) or decoded


def cache_folder() -> Path:
    """Where decoded data is kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xairank" / "decoded"


def _content(table: pd.DataFrame, view: View, threads: int) -> str:
    """SHA-256 (hexadecimal) of all that decoding depends on."""
    paths = [path for path in [*table["image"], *table["mask"]] if path is not None]
    with ThreadPoolExecutor(max(1, threads)) as pool:
        contents = dict(zip(paths, pool.map(sha256, paths), strict=True))
    digest = hashlib.sha256(f"{DECODER} {PIL.__version__} {view}\n".encode())
    for image, mask in zip(table["image"], table["mask"], strict=True):
        digest.update(f"{contents[image]} {contents.get(mask)}\n".encode())
    return digest.hexdigest()


def _load(place: Path) -> Decoded | None:
    """Decoded data that is mapped, not read; None where there is none that can be used."""
    try:
        # Copy on write: PyTorch wants memory that can be written, and nothing that is written reaches the file.
        images, masks, thumbnails = (np.load(place / f"{name}.npy", mmap_mode="c") for name in _ARRAYS)
        facts = pd.read_parquet(place / "facts.parquet")
        os.utime(place)  # used now
    except (OSError, ValueError):
        return None
    return Decoded(images, masks, thumbnails, facts, [])


def _store(place: Path, decoded: Decoded) -> None:
    """Writes decoded data whole or not at all, and makes room for it."""
    size = sum(getattr(decoded, name).nbytes for name in _ARRAYS)
    if size > min(LIMIT, SHARE * shutil.disk_usage(place.parent).free):
        return
    remove_leftovers(place.parent)
    temporary = temporary_beside(place)
    try:
        temporary.mkdir()
        for name in _ARRAYS:
            np.save(temporary / f"{name}.npy", getattr(decoded, name))
        decoded.facts.to_parquet(temporary / "facts.parquet")
        shutil.rmtree(place, ignore_errors=True)  # of an earlier try that cannot be read
        temporary.rename(place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _delete_oldest(place)


def _delete_oldest(kept: Path) -> None:
    """Deletes what was not used for longest until the rest is within ``LIMIT``; who has it mapped keeps it."""
    sizes = {place: sum(file.stat().st_size for file in place.iterdir()) for place in _entries(kept.parent)}
    total = sum(sizes.values())
    for place in sorted(sizes.keys() - {kept}, key=lambda place: place.stat().st_mtime):
        if total <= LIMIT:
            return
        shutil.rmtree(place, ignore_errors=True)
        place.with_name(f".{place.name}.lock").unlink(missing_ok=True)
        total -= sizes[place]


def _entries(folder: Path) -> Iterator[Path]:
    return (place for place in folder.iterdir() if place.is_dir() and not place.name.startswith("."))
