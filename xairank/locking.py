"""A place that one process writes at a time, on this machine and on all that share its file system.

The lock is the operating system's (``flock``), which frees it when the process ends, however it ends: a killed process
leaves a file behind but no lock.
"""

import errno
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from xairank.console import print_line
from xairank.errors import UserError

_MOMENT = 0.5  # seconds: who is leaving has left by then
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


@contextmanager
def held(lock: Path, place: Path, wait: float = _MOMENT) -> Iterator[None]:
    """Keeps other processes out of ``place`` until the block ends.

    Args:
        lock: The file of the lock, hidden, and gone afterwards; its folder is made.
        place: What is written, for messages.
        wait: Seconds to wait for another process.

    Raises:
        UserError: Another process has it, or nothing can be written here.
    """
    taken = _take(lock, place, wait)
    try:
        with suppress(OSError):
            _owner(lock).write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
        yield
    finally:
        # Before the lock is free: who opened the file by then finds that it is gone, and makes another.
        for file in (_owner(lock), lock):
            with suppress(OSError):
                file.unlink(missing_ok=True)
        if taken:
            taken.release()


def busy(lock: Path, place: Path) -> str:
    """Which process writes a place now, and what to do about it, in one line; an empty text where none does."""
    if not lock.exists():
        return ""
    probe = FileLock(lock, timeout=0, thread_local=False)
    try:
        probe.acquire()
    except Timeout:
        return _who(lock, place)
    except OSError:
        return ""
    probe.release()
    return ""


def _take(lock: Path, place: Path, wait: float) -> FileLock | None:
    """The lock, taken; None on a file system that has none."""
    taken = FileLock(lock, timeout=wait, thread_local=False)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        taken.acquire(poll_interval=0.05)
    except Timeout:
        raise UserError(_who(lock, place)) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise UserError(
                f"{place}: cannot write the folder ({error.strerror}); check its permissions, or choose another place"
            ) from None
        print_line(f"Note: {place}: its file system has no locks; start no other process that writes it.")
        return None
    return taken


def _who(lock: Path, place: Path) -> str:
    try:
        owner = _owner(lock).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        owner = ""
    return f"{place}: {owner or 'another process'} is writing it; wait until it has ended, or end it, and run again"


def _owner(lock: Path) -> Path:
    return lock.with_name(f"{lock.name}.owner")
