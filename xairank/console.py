"""What users see in the terminal: errors in one line, progress bars, tables."""

import atexit
import errno
import functools
import gc
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import rich.progress
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from xairank.config import unknown_key
from xairank.errors import UserError
from xairank.progress import Monitor, Track
from xairank.stopping import interruption, stoppable

P = ParamSpec("P")
T = TypeVar("T")
OBJECTS = 10_000  # new ones, after which garbage is looked for
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOTEBOOK = Console().is_jupyter  # shows lines as they are: no widgets, and no bars that move the cursor
console = Console(force_jupyter=False, force_terminal=False if _NOTEBOOK else None)


def print_line(text: str) -> None:
    """Prints plain text, whatever brackets and numbers it holds, on one line that the terminal may wrap."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def print_error(error: UserError) -> None:
    """Prints one line on standard error, whatever white space the message holds."""
    print(f"xairank: error: {' '.join(str(error).split())}", file=sys.stderr, flush=True)


def file_error(error: OSError) -> UserError:
    """What the system refused, in our form."""
    if error.errno and error.errno in _FULL:
        return UserError(f"{error.filename}: {os.strerror(error.errno)}; free some space, and run again to resume")
    return UserError(f"{error.filename}: {error.strerror}; check its permissions, its place and its name")


def command(main: Callable[P, None]) -> Callable[P, None]:
    """Makes a command of ``main``: a user's mistake becomes one line and exit status 2.

    So does what asks it to end: Ctrl-C (status 130), SIGTERM (143), SIGUSR1 (138), SIGUSR2 (140).
    """

    @functools.wraps(main)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        _collect_less_garbage()
        with stoppable():
            try:
                try:
                    main(*args, **kwargs)
                finally:
                    sys.stdout.flush()  # so that a closed pipe, as of `--help | head`, is met here
            except (Exception, KeyboardInterrupt) as error:
                sys.exit(_status(error))

    return run


@functools.cache
def _collect_less_garbage() -> None:
    """Spares a command two seconds: Python's garbage collector looks at what the large libraries hold again and again.

    It does while they are imported, every some hundred objects, and once more at the end, for objects in cycles whose
    ``__del__`` is then called; at the end of a command it no longer is.
    """
    objects, *others = gc.get_threshold()
    if 0 < objects < OBJECTS:  # neither where it is off, nor where somebody has chosen more
        gc.set_threshold(OBJECTS, *others)
    atexit.register(gc.freeze)


def _status(error: Exception | KeyboardInterrupt) -> int:
    """The exit status of what ended a command, said in one line; what is nobody's mistake is raised again."""
    if stop := interruption(error):
        print(stop.line(), file=sys.stderr, flush=True)
        return stop.status
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more as it ends
        return 141  # as a shell reports a program that SIGPIPE ended
    if isinstance(error, OSError) and error.filename is not None:
        error = file_error(error)
    if not isinstance(error, UserError):
        raise error
    print_error(error)
    return 2


def parse_arguments(arguments: Sequence[str], known: Collection[str], *, usage: str, example: str) -> dict[str, str]:
    """The values by key of ``key=value`` arguments; ``--help`` or ``-h`` among them prints ``usage`` and ends.

    Args:
        arguments: As the shell gives them.
        known: The keys there are.
        usage: What the command does, a line a key.
        example: Such an argument, for messages.

    Raises:
        UserError: An argument is not of this form, or its key does not exist.
        SystemExit: Help was asked for.
    """
    if {"--help", "-h"} & set(arguments):
        print(usage)
        sys.exit(0)
    values = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals:
            raise UserError(f"{argument}: found no '='; expected key=value, for example {example}")
        if key not in known:
            raise UserError(unknown_key(key, known))
        if not value:
            raise UserError(f"{argument}: found no value; expected key=value, for example {example}")
        values[key] = value
    return values


def parse_sweep(arguments: Sequence[str], *, usage: str, also: Collection[str] = ()) -> dict[str, str]:
    """The values of a command that reads a sweep: its ``name``, the ``folder`` of sweeps, and what else is given.

    Args:
        arguments: As of :func:`parse_arguments`.
        usage: As of :func:`parse_arguments`.
        also: Keys beside these two.

    Raises:
        UserError: No sweep is named, or as of :func:`parse_arguments`.
        SystemExit: Help was asked for.
    """
    given = parse_arguments(arguments, ("name", "folder", *also), usage=usage, example="name=paper")
    if "name" not in given:
        raise UserError("name: missing; expected the name of a sweep, for example name=paper; see --help")
    return {"folder": "multirun", **given}


def sweep_folder(arguments: Sequence[str], *, usage: str) -> Path:
    """The folder of the sweep that a command reads; arguments and errors are those of :func:`parse_sweep`."""
    given = parse_sweep(arguments, usage=usage)
    return Path(given["folder"], given["name"])


def tracker(description: str) -> Track:
    """A :class:`xairank.progress.Track` that shows a progress bar in a terminal, and nothing elsewhere."""

    def track(items: Iterable[T], count: int) -> Iterable[T]:
        shown = console.is_terminal
        return rich.progress.track(items, description, count, console=console, transient=True, disable=not shown)

    return track


class ConsoleMonitor(Monitor):
    """Shows a download in the terminal."""

    def message(self, text: str) -> None:
        """Prints a line."""
        print_line(text)

    @contextmanager
    def bar(self, name: str, total: int | None, done: int) -> Iterator[Callable[[int], object]]:
        """A bar with size, speed and time left, that vanishes when done."""
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, TextColumn("left"), TimeRemainingColumn(), console=console, transient=True) as shown:
            task = shown.add_task(name, total=total, completed=done)
            yield lambda advance: shown.advance(task, advance)


def progress(*, shown: bool = True) -> Progress:
    """A progress bar with count, time spent and time left, that vanishes when done; none unless it is ``shown``."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not (shown and (console.is_terminal or console.is_jupyter)),
    )
