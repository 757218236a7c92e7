"""A process that does one run after the other, so that what takes seconds to import is imported once."""

import multiprocessing
import os
import sys
import traceback
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from xairank.errors import UserError
from xairank.runs.folder import RunFolder

_SPAWN = multiprocessing.get_context("spawn")


class Worker:
    """Runs in a process of its own, started with the first run, and again after one that killed it.

    Args:
        log: The file that takes what the process prints.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process: SpawnProcess | None = None
        self._connection: Any = None

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def run(self, folder: RunFolder, seconds: float | None = None) -> str:
        """Runs one folder; its failure is left there.

        Args:
            folder: With its configuration.
            seconds: After which the process is ended; None for no limit.

        Returns:
            How it ended, in words.
        """
        if self._process is None:
            self._start()
        try:
            self._connection.send(folder)
            if self._connection.poll(seconds):
                return str(self._connection.recv())
            verdict = "cut off, as time is over,"
        except (EOFError, OSError):
            verdict = "ended without a result"
        self._end()
        return verdict

    def _start(self) -> None:
        self._connection, theirs = _SPAWN.Pipe()
        # Not a daemon, which may have no processes of its own, as rendering does.
        self._process = _SPAWN.Process(target=_serve, args=(theirs, self._log))
        self._process.start()
        theirs.close()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


def _serve(connection: Connection, log: Path) -> None:
    """Runs what comes, until the other end is gone."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "a", encoding="utf-8") as output:
        os.dup2(output.fileno(), sys.stdout.fileno())
        os.dup2(output.fileno(), sys.stderr.fileno())
    from xairank.experiment.task import run

    while True:
        try:
            folder = connection.recv()
        except EOFError:
            return
        try:
            run(folder)
            connection.send("complete")
        except Exception as error:
            folder.fail(str(error) if isinstance(error, UserError) else traceback.format_exc())
            connection.send(f"failed ({str(error).strip().splitlines()[0] if str(error) else type(error).__name__})")
