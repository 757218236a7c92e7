"""``python -m xairank.report name=...``: the results of a sweep as a page that opens from disk."""

import sys
from collections.abc import Sequence
from pathlib import Path

from xairank.console import command, parse_arguments
from xairank.errors import UserError

USAGE = """\
python -m xairank.report name=<sweep> [folder=multirun]

Writes the report of a sweep into <folder>/<name>/report: open index.html there, by a double click. It needs neither a
server nor a network, and the folder can be zipped and sent.

  name=paper            the sweep (required)
  folder=multirun       where sweeps are"""


@command
def main() -> None:
    """Writes the report and prints the answer and where it is."""
    folder = parse_folder(sys.argv[1:])
    # What draws takes a second or two to import, which help and mistakes need not wait for.
    from xairank.report.ending import report_sweep

    report_sweep(folder)


def parse_folder(arguments: Sequence[str]) -> Path:
    """The sweep's folder from ``key=value`` arguments.

    Raises:
        UserError: No sweep is named, or a key does not exist.
        SystemExit: Help was asked for.
    """
    given = parse_arguments(arguments, ("name", "folder"), usage=USAGE, example="name=paper")
    if "name" not in given:
        raise UserError("name: missing; expected the name of a sweep, for example name=paper; see --help")
    return Path(given.get("folder", "multirun"), given["name"])


if __name__ == "__main__":
    main()
