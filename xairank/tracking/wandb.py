"""Weights & Biases: a run a seed, grouped by sweep."""

import secrets
from collections.abc import Mapping
from typing import Any

import pandas as pd
import requests
from matplotlib.figure import Figure
from requests.utils import get_netrc_auth

from xairank.tracking.tracker import FINISHED, Subject, Tracker

_SECONDS = 10  # in which a server answers
_UPLOAD = 300  # seconds until the end of a run waits no longer for what is still to be sent


class WandB(Tracker):
    """A run of the group that has the sweep's name."""

    @classmethod
    def check(cls, entry: Mapping[str, Any], sweep: str) -> None:
        """Looks for a key and a server that answers, unless the run is kept offline."""
        import wandb

        if _is_offline(entry):
            return
        settings = wandb.setup().settings
        # wandb login leaves the key in the user's netrc file.
        if not (settings.api_key or settings.identity_token_file or get_netrc_auth(settings.base_url)):
            raise ValueError("no API key: run wandb login, or choose logger.offline=true")
        requests.get(settings.base_url, timeout=_SECONDS)

    @classmethod
    def arguments(cls, entry: Mapping[str, Any], subject: Subject) -> dict[str, Any]:
        """The run's name, and an id by which it goes on."""
        import wandb

        given = {
            "name": subject.label,
            "id": subject.known or secrets.token_hex(4),
            "job_type": "summary" if subject.label == "summary" else "run",
            "reinit": "finish_previous",
            "settings": wandb.Settings(finish_timeout=_UPLOAD, finish_timeout_raises=True),
        }
        # Lightning's offline=true would set WANDB_MODE, which W&B reads once a process.
        return {**given, "mode": "offline", "offline": False} if entry.get("offline") else given

    @property
    def id(self) -> str:
        """W&B's run id."""
        return str(self.logger.experiment.id)

    def start(self) -> None:
        """Begins the run; the epochs are what its curves are drawn over."""
        self.logger.experiment.define_metric("epoch")
        self.logger.experiment.define_metric("*", step_metric="epoch", step_sync=True)

    def parameters(self, parameters: Mapping[str, Any]) -> None:
        """Logs the configuration as W&B shows it, nested."""
        nested: dict[str, Any] = {}
        for key, value in parameters.items():
            *groups, name = key.split(".")
            place = nested
            for group in groups:
                place = place.setdefault(group, {})
            place[name] = value
        super().parameters(nested)

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Logs the numbers of an epoch, or those of the whole run, which have no curve."""
        if step is None:
            self.logger.experiment.summary.update(dict(values))
        else:
            super().metrics({**values, "epoch": step})

    def text(self, name: str, text: str) -> None:
        """As a table of its lines, and in the run's notes, which its page begins with."""
        import wandb

        self.logger.experiment.notes = text
        self.logger.experiment.log({name: wandb.Table(columns=["text"], data=[[line] for line in text.splitlines()])})

    def table(self, name: str, data: pd.DataFrame, markdown: str) -> None:
        """As a table that can be sorted and filtered."""
        import wandb

        self.logger.experiment.log({name: wandb.Table(dataframe=data, allow_mixed_types=True)})

    def figure(self, name: str, figure: Figure) -> None:
        """As an image."""
        import wandb

        self.logger.experiment.log({name: wandb.Image(figure)})

    def finish(self, status: str) -> None:
        """Ends the run, so that the next one of this process is another; a failed one with an exit code."""
        self.logger.experiment.finish(exit_code=0 if status == FINISHED else 1)


def _is_offline(entry: Mapping[str, Any]) -> bool:
    import wandb

    mode = entry.get("mode") or wandb.setup().settings.mode
    return bool(entry.get("offline")) or mode in ("offline", "dryrun", "disabled")
