"""Aim: a repository of runs, an experiment a sweep."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from xairank.tracking.tracker import FINISHED, Subject, Tracker


class Aim(Tracker):
    """A run of the experiment that has the sweep's name."""

    @classmethod
    def arguments(cls, entry: Mapping[str, Any], subject: Subject) -> dict[str, Any]:
        """The run's name, or the hash of the one that goes on."""
        return {"run_hash": subject.known} if subject.known else {"run_name": subject.label}

    @property
    def id(self) -> str:
        """Aim's run hash."""
        return str(self.logger.experiment.hash)

    def text(self, name: str, text: str) -> None:
        """Under the tab Texts."""
        from aim import Text

        self.logger.experiment.track(Text(text), name=name)

    def figure(self, name: str, figure: Figure) -> None:
        """Under the tab Images."""
        from aim import Image

        self.logger.experiment.track(Image(figure), name=name)

    def finish(self, status: str) -> None:
        """Says how it ended in the parameter ``status``, as Aim knows no such thing, and lets go of the run."""
        self.logger.experiment["status"] = status
        self.logger.finalize("success" if status == FINISHED else "failed")
        self.logger.experiment.close()
