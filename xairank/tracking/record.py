"""What a run leaves in a tracker, whatever the tracker does: it may die, and the run goes on.

Beside the run's files ``tracker.json`` says which run of the tracker it is, and how many epochs that one has, so that a
resumed run goes on with it and no epoch is there twice.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from typing_extensions import Self

from xairank.console import print_line
from xairank.files import write_text
from xairank.tracking.choice import is_chosen, reason, start_tracker
from xairank.tracking.tracker import FAILED, FINISHED, KILLED, Subject, Tracker

FILE = "tracker.json"
Row = Mapping[str, float]


class Record:
    """A context in which a tracker has a run of this subject; without a tracker, every method does nothing.

    Leaving the context ends the run in the tracker: as finished, as failed by an exception, as killed by Ctrl-C.

    Args:
        entry: ``logger`` of the configuration.
        folder: Of the run, or of the sweep.
        subject: What the tracker's run is of.
    """

    def __init__(self, entry: Mapping[str, Any], folder: Path, subject: Subject) -> None:
        self.entry = dict(entry)
        self.folder = folder
        self.subject = subject
        self.tracker: Tracker | None = None
        self._state: dict[str, Any] = {}
        self._silent = False

    def __enter__(self) -> Self:
        """Begins the run in the tracker, or goes on with it.

        Raises:
            UserError: The tracker refuses.
        """
        if is_chosen(self.entry):
            file = self.folder / FILE
            self._state = self.known(file)
            known = self._state.get("id", "")
            subject = Subject(self.subject.sweep, self.subject.label, known)
            self.tracker = start_tracker(self.entry, subject, file)
            self._note(id=self.tracker.id)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the run in the tracker."""
        status = FINISHED if kind is None else FAILED if issubclass(kind, Exception) else KILLED
        self._try(f"its run there is not marked as {status}", lambda tracker: tracker.finish(status))

    def known(self, file: Path) -> dict[str, Any]:
        """What the file says, if it is of this tracker."""
        try:
            state = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) and state.get("logger") == self.entry else {}

    def parameters(self, parameters: Mapping[str, Any]) -> None:
        """Logs the configuration, by dotted key."""
        self._try("the parameters are missing there", lambda tracker: tracker.parameters(parameters))

    def epochs(self, rows: Sequence[Row]) -> None:
        """Logs those epochs that the tracker does not have; after a failure they wait for the end of the run.

        Args:
            rows: Of ``metrics.csv``, all so far.
        """
        if self._silent:
            return
        later = "the run goes on, and what is missing there is tried again at its end"
        self._silent = not self._try(later, lambda tracker: self._send(tracker, rows))

    def end(self, rows: Sequence[Row], results: Callable[[Tracker], None]) -> bool:
        """Logs the epochs that are missing, and the results; whether the tracker has them.

        Args:
            rows: Of ``metrics.csv``.
            results: Logs them.
        """

        def send(tracker: Tracker) -> None:
            self._send(tracker, rows)
            results(tracker)

        return self._try(f"the last epochs or the results are missing there; they are in {self.folder}", send)

    def note(self, **facts: object) -> None:
        """Keeps facts beside the tracker's id, for the next time."""
        if self.tracker is not None:
            self._note(**facts)

    def _send(self, tracker: Tracker, rows: Sequence[Row]) -> None:
        for row in rows:
            epoch = int(row["epoch"])
            if epoch >= self._state.get("epochs", 0):
                tracker.metrics({name: value for name, value in row.items() if name != "epoch"}, epoch)
                self._note(epochs=epoch + 1)

    def _note(self, **facts: object) -> None:
        self._state |= {"logger": self.entry, **facts}
        write_text(self.folder / FILE, json.dumps(self._state, indent=2) + "\n")

    def _try(self, consequence: str, call: Callable[[Tracker], object]) -> bool:
        """Whether the tracker did it; a warning says what follows if it did not."""
        if self.tracker is None:
            return True
        try:
            call(self.tracker)
        except Exception as error:  # whatever a tracker raises
            name = type(self.tracker.logger).__name__
            print_line(f"Warning: logger: {name} fails ({reason(error)}); {consequence}.")
            return False
        return True


def open_record(entry: Mapping[str, Any], folder: Path, sweep: str) -> Record:
    """The record of a run, whose tracker begins when its context is entered.

    Args:
        entry: ``logger`` of the configuration.
        folder: Of the run.
        sweep: The sweep's name.
    """
    return Record(entry, folder, Subject(sweep, folder.name))
