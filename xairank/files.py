"""Files that are either whole or not there."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside ``path`` that replaces it on success and is removed on failure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_beside(path: Path) -> Path:
    """A hidden name beside ``path`` that says which process is writing it; the suffix stays, as writers go by it."""
    return path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")


def remove_leftovers(folder: Path) -> None:
    """Deletes what processes that were killed while writing into ``folder`` have left there."""
    for path in folder.glob(".*.part*"):
        match = re.fullmatch(r"\..*\.(\d+)\.part(\..*)?", path.name)
        if match and not _is_alive(int(match.group(1))):
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


def write_text(path: Path, text: str) -> None:
    """Writes ``text`` atomically, in UTF-8."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
