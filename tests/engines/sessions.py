"""Which processes a command has started, and left behind."""

import time
from contextlib import suppress
from pathlib import Path


def session(leader: int) -> list[int]:
    """The living processes of a session, also those whose parents have ended; of Linux alone."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, its_session, *_ = path.read_text().rpartition(")")[2].split()
            if int(its_session) == leader and state != "Z":
                found.append(int(path.parent.name))
    return found


def left_behind(leader: int, seconds: float = 5.0) -> list[int]:
    """The processes of a session that live on: those that are about to end are waited for."""
    end = time.monotonic() + seconds
    while (found := session(leader)) and time.monotonic() < end:
        time.sleep(0.05)
    return found
