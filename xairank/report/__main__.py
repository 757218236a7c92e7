"""``python -m xairank.report name=...``: the results of a sweep as a page that opens from disk."""

import sys

from xairank.console import command, sweep_folder

USAGE = """\
python -m xairank.report name=<sweep> [folder=multirun]

Writes the report of a sweep into <folder>/<name>/report: open index.html there, by a double click. It needs neither a
server nor a network, and the folder can be zipped and sent.

  name=paper            the sweep (required)
  folder=multirun       where sweeps are"""


@command
def main() -> None:
    """Writes the report and prints the answer and where it is."""
    folder = sweep_folder(sys.argv[1:], usage=USAGE)
    # What draws takes a second or two to import, which help and mistakes need not wait for.
    from xairank.report.ending import report_sweep

    report_sweep(folder)


if __name__ == "__main__":
    main()
