"""Files that are either whole or not there."""

import errno
import hashlib
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from xairank.errors import UserError

_MACHINE = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
_DAY = 24 * 60 * 60


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside ``path`` that replaces it on success and is removed on failure.

    The content is on the disk before the name is, and the name before this returns: without, a power cut may leave an
    empty file under the new name where a whole checkpoint was, or ``run.json``, which says that a run is complete,
    without the tables that were written before it. So all that a run needs to go on or to be read is written this way.
    What is drawn or listed from it anew, explanations and rendered images, is not: it is many files, and soon made
    again.

    Raises:
        OSError: With ``path`` as its file, whatever writes there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        yield temporary
        _to_disk(temporary)
        temporary.replace(path)
        _to_disk(path.parent)
    except OSError as error:
        if error.filename is None or str(error.filename) == str(temporary):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        with suppress(OSError):  # on a disk that is gone nothing can be removed; the first error says so
            temporary.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    if path.is_dir() and sys.platform == "win32":  # which opens no folders
        return
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that knows no such thing
            raise
    finally:
        os.close(opened)


def expand_user(path: str) -> Path:
    """A path with ``~`` as the home folder.

    Raises:
        UserError: There is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UserError(f"{path}: there is no such user; write the whole path") from None


def temporary_beside(path: Path) -> Path:
    """A hidden name beside ``path`` that says who is writing it; the suffix stays, as writers go by it."""
    return path.with_name(f".{path.stem}.{_MACHINE}-{os.getpid()}.part{path.suffix}")


def remove_leftovers(folder: Path) -> None:
    """Deletes what processes that were killed while writing into ``folder`` have left there.

    Whether a process of another machine lives cannot be known: what it writes is deleted when it is a day old.
    """
    for path in folder.glob(".*.part*"):
        match = re.fullmatch(r"\..*\.([0-9a-f]{8})-(\d+)\.part(\..*)?", path.name)
        if not match:
            continue
        here = match.group(1) == _MACHINE
        if not _is_alive(int(match.group(2))) if here else time.time() - path.stat().st_mtime > _DAY:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    if sys.platform == "win32":  # where os.kill would end it
        return True
    try:
        os.kill(process, 0)  # signal 0 only asks
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return process != os.getpid()  # what this process writes is not here yet: a killed one had the same number


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def hash_folder(folder: Path, *others: Path) -> str:
    """The SHA-256 (hexadecimal) of the files in a folder, with their names there, and of other files."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{sha256(path)}\n".encode())
    for path in others:
        digest.update(f"{sha256(path)}\n".encode())
    return digest.hexdigest()


def write_text(path: Path, text: str) -> None:
    """Writes ``text`` atomically, in UTF-8."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
