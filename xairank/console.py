"""What a person sees in the terminal: errors in one line, progress bars, tables."""

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from xairank.errors import UserError

P = ParamSpec("P")
console = Console()


def print_error(error: UserError) -> None:
    """Prints one line on standard error, whatever white space the message holds."""
    print(f"xairank: error: {' '.join(str(error).split())}", file=sys.stderr, flush=True)


def file_error(error: OSError) -> UserError:
    """What the system refused, in our form."""
    return UserError(f"{error.filename}: {error.strerror}; mend its permissions, its place or its name")


def command(main: Callable[P, None]) -> Callable[P, None]:
    """Makes a command of ``main``: a user's mistake becomes one line and exit status 2, and so does Ctrl-C (130)."""

    @functools.wraps(main)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            main(*args, **kwargs)
        except UserError as error:
            print_error(error)
            sys.exit(2)
        except OSError as error:
            if error.filename is None:
                raise
            print_error(file_error(error))
            sys.exit(2)
        except KeyboardInterrupt:
            print("xairank: stopped; the same command goes on from here", file=sys.stderr, flush=True)
            sys.exit(130)

    return run


def progress() -> Progress:
    """A progress bar with count, time spent and time left, that vanishes when done."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
