"""TensorBoard: a folder a run."""

from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from xairank.tracking.tracker import Subject, Tracker


class TensorBoard(Tracker):
    """A folder of event files, ``<save_dir>/<sweep>/<run>``; a run that goes on adds a file to it."""

    @classmethod
    def arguments(cls, entry: Mapping[str, Any], subject: Subject) -> dict[str, Any]:
        """The folder: the known one, or the first that is free."""
        place = Path(entry["save_dir"]).expanduser() / (entry.get("name") or "")
        names = (subject.label if number == 1 else f"{subject.label}-{number}" for number in count(1))
        version = subject.known or next(name for name in names if not (place / name).exists())
        return {"version": version, "default_hp_metric": False}  # which would log -1

    @property
    def id(self) -> str:
        """The folder's name."""
        return str(self.logger.version)

    def text(self, name: str, text: str) -> None:
        """Under the tab Text."""
        self.logger.experiment.add_text(name, text)

    def figure(self, name: str, figure: Figure) -> None:
        """Under the tab Images."""
        self.logger.experiment.add_figure(name, figure, close=False)

    def finish(self, status: str) -> None:
        """Says how it ended in the text ``status``, as TensorBoard knows no such thing."""
        self.text("status", status)
        self.logger.finalize("success")
