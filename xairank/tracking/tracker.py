"""What every tracker does, by the interface that all of Lightning's loggers have."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

FINISHED, FAILED, KILLED = "finished", "failed", "killed"  # how a run ends


@dataclass(frozen=True)
class Subject:
    """What a tracker's run is of.

    Attributes:
        sweep: The sweep's name.
        label: Of the run in it: the name of its folder, or ``summary`` of the sweep itself.
        known: The tracker's own id of the run that goes on; empty where a new one begins.
    """

    sweep: str
    label: str
    known: str = ""


class Tracker:
    """A run in a tracker of which we only know Lightning's interface: it gets numbers and parameters.

    Args:
        logger: Lightning's.
    """

    def __init__(self, logger: "Logger") -> None:
        self.logger: Any = logger

    @classmethod
    def check(cls, entry: Mapping[str, Any], sweep: str) -> None:
        """Finds out whether the tracker would take a run, without beginning one.

        Args:
            entry: ``logger`` of the configuration.
            sweep: The sweep's name.
        """

    @classmethod
    def arguments(cls, entry: Mapping[str, Any], subject: Subject) -> dict[str, Any]:
        """What the logger is to be made with beside its configuration."""
        return {}

    @property
    def id(self) -> str:
        """By what this run goes on later; empty where it cannot."""
        return ""

    def start(self) -> None:
        """Begins the run, or goes on with it."""
        _ = self.logger.experiment

    def parameters(self, parameters: Mapping[str, Any]) -> None:
        """Logs the configuration, by dotted key."""
        self.logger.log_hyperparams(dict(parameters))

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Logs numbers; what is not a number is left out."""
        self.logger.log_metrics({name: one for name, one in values.items() if not math.isnan(one)}, step)

    def text(self, name: str, text: str) -> None:
        """Logs lines of Markdown, where the tracker can hold them."""

    def table(self, name: str, data: pd.DataFrame, markdown: str) -> None:
        """Logs a table, where the tracker can hold it: as data, or as Markdown."""
        self.text(name, markdown)

    def figure(self, name: str, figure: Figure) -> None:
        """Logs a figure, where the tracker can hold it."""

    def finish(self, status: str) -> None:
        """Ends the run.

        Args:
            status: :data:`FINISHED`, :data:`FAILED` or :data:`KILLED`.
        """
        self.logger.finalize("success" if status == FINISHED else "failed")
