"""What ends a sweep: its answer in words, and the page that shows it."""

from functools import partial
from pathlib import Path

from xairank.console import print_line, tracker
from xairank.locking import held
from xairank.report.gallery import write_gallery
from xairank.report.page import write_report
from xairank.runs.sweep import Sweep, read_sweep
from xairank.tables.collection import NOTHING_RANKED, Results, make_results

_OTHER_REPORT = 300.0  # seconds


def report_sweep(folder: Path) -> tuple[Sweep, Results]:
    """Writes the report of a sweep into its folder, and prints the answer and where the report is.

    Args:
        folder: Of the sweep.

    Returns:
        The sweep and what it shows.

    Raises:
        UserError: The folder holds no run that can be read.
    """
    sweep = read_sweep(folder)
    results = make_results(sweep)
    gather = partial(write_gallery, track=tracker("Gathering maps"))
    place = folder / "report"
    with held(folder / ".report.lock", place, wait=_OTHER_REPORT):  # two processes of a sweep may end together
        page = write_report(sweep, results, place, tracker("Drawing"), gather)
    for line in results.headlines or [NOTHING_RANKED]:
        print_line(line)
    print_line(f"Report: {page}")
    return sweep, results
