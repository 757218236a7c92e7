"""The end of a sweep in a tracker: one run, ``summary``, with the tables, the figures and the answer."""

import hashlib
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot

from xairank.console import print_line
from xairank.errors import UserError
from xairank.figures.catalog import list_figures
from xairank.figures.options import Options
from xairank.figures.style import RC
from xairank.runs.sweep import Sweep
from xairank.schema import TEST
from xairank.tables.collection import NOTHING_RANKED, Results
from xairank.tracking.choice import is_chosen
from xairank.tracking.record import FILE, Record
from xairank.tracking.results import numbers
from xairank.tracking.tracker import Subject, Tracker

_DOTS = 100  # an inch of a figure; a screen shows no more


def log_sweep(entry: Mapping[str, Any], sweep: Sweep, results: Results) -> None:
    """Logs a sweep's summary, unless the tracker has the one of these runs already.

    A tracker that refuses costs the summary alone, and a warning says so: the runs and the report are done.

    Args:
        entry: ``logger`` of the configuration.
        sweep: The sweep.
        results: Its tables and answers.
    """
    if not is_chosen(entry):
        return
    name = sweep.folder.resolve().name
    record = Record(entry, sweep.folder, Subject(name, "summary"))
    runs = hashlib.sha256("".join(str(info.get("identity")) for info in sweep.runs["info"]).encode()).hexdigest()
    if record.known(sweep.folder / FILE).get("runs") == runs:
        return
    try:
        with record:
            if record.end([], lambda tracker: _log(tracker, sweep, results)):
                record.note(runs=runs)
    except UserError as error:
        print_line(f"Warning: the sweep's summary is missing in the tracker: {error}")


def _log(tracker: Tracker, sweep: Sweep, results: Results) -> None:
    tracker.parameters({"name": sweep.folder.resolve().name, "runs": len(sweep.runs)})
    tracker.text("conclusion", "\n\n".join([*(results.headlines or [NOTHING_RANKED]), *results.words]) + "\n")
    if len(sweep.groups) == 1:  # several settings would share the names
        for answer in results.answers:
            tracker.metrics(numbers(answer.group.metric, answer.rows))
    for table in results.tables:
        tracker.table(f"tables/{table.name}", table.data, table.to_markdown())
    options = Options(sweep.folder.name, sweep.folder.parent, None, TEST, None, ("png",))
    figures, _ = list_figures(sweep, options)
    with mpl.rc_context({**RC, "savefig.dpi": _DOTS, "figure.dpi": _DOTS}):
        for name, draw in figures.items():
            figure = draw()
            tracker.figure(f"figures/{name}", figure)
            pyplot.close(figure)
