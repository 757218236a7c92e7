"""MLflow: an experiment a sweep, on a server, in a database or in a folder."""

import os
import re
from collections.abc import Mapping
from typing import Any

import pandas as pd
from hydra.utils import instantiate
from matplotlib.figure import Figure

from xairank.tracking.tracker import FINISHED, Subject, Tracker

# MLflow itself would try a server that does not answer for several minutes; whoever sets these has the last word.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}


class MLflow(Tracker):
    """A run of the experiment that has the sweep's name."""

    @classmethod
    def check(cls, entry: Mapping[str, Any], sweep: str) -> None:
        """Asks for the experiment; makes it here, as runs that start at once would each make it."""
        for name, value in _PATIENCE.items():
            os.environ.setdefault(name, value)
        logger = instantiate(entry)
        client, name = logger._mlflow_client, logger._experiment_name  # the public properties begin a run
        if client.get_experiment_by_name(name) is None:
            client.create_experiment(name, artifact_location=entry.get("artifact_location"))

    @classmethod
    def arguments(cls, entry: Mapping[str, Any], subject: Subject) -> dict[str, Any]:
        """The run's name, or the id of the one that goes on."""
        return {"run_id": subject.known} if subject.known else {"run_name": subject.label}

    @property
    def id(self) -> str:
        """MLflow's run id."""
        return str(self.logger.run_id)

    def start(self) -> None:
        """Begins the run, or says of one that goes on that it is running again."""
        self.logger.experiment.update_run(self.id, status="RUNNING")

    def parameters(self, parameters: Mapping[str, Any]) -> None:
        """Logs the configuration; what a run has logged before cannot be changed in MLflow, and stays."""
        before = self.logger.experiment.get_run(self.id).data.params
        super().parameters({_plain(name): one for name, one in parameters.items() if _plain(name) not in before})

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Logs numbers, under names that MLflow allows."""
        super().metrics({_plain(name): one for name, one in values.items()}, step)

    def text(self, name: str, text: str) -> None:
        """As a Markdown file."""
        self.logger.experiment.log_text(self.id, text, f"{name}.md")

    def table(self, name: str, data: pd.DataFrame, markdown: str) -> None:
        """As a CSV file, which MLflow shows as a table."""
        self.logger.experiment.log_text(self.id, data.to_csv(index=False), f"{name}.csv")

    def figure(self, name: str, figure: Figure) -> None:
        """As a PNG file."""
        self.logger.experiment.log_figure(self.id, figure, f"{name}.png")

    def finish(self, status: str) -> None:
        """Ends the run as finished, failed or killed."""
        self.logger.finalize("success" if status == FINISHED else status.upper())


def _plain(name: str) -> str:
    """A name that MLflow allows."""
    return re.sub(r"[^\w/. -]", "_", name, flags=re.ASCII)
