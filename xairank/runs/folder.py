"""One finished run is one folder: its name, its identity, its files, and when it is complete.

The identity of a run is its resolved configuration, less what only says where things are or what is logged. A folder
holds one identity for ever; ``run.json`` with ``"status": "complete"`` is written last.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any

import pandas as pd
import yaml

from xairank.config import flatten
from xairank.errors import UserError
from xairank.files import atomic, remove_leftovers, write_text

FORMAT = 2
# Where things are, how fast they are read and explained, what is kept and who is told: none of it changes a result. The
# data in a place is identified by its name, data.category.
NOT_IDENTITY = (
    "name",
    "data.root",
    "data.download",
    "data.table",
    "data.images",
    "data.masks",
    "data.num_workers",
    "attribution.batch_limit",
    "attribution.keep_maps",
    "logger",
)
_NOT_IN_LABEL = (*NOT_IDENTITY, "experiment", "trainer.accelerator", "model.encoder_weights")


def run_label(overrides: Iterable[str], seed: int) -> str:
    """The name of a run's folder: its overrides in alphabetical order, or ``seed=N`` where there are none.

    Overrides of places (``data.root``, weight files) are left out, characters that folders cannot hold are replaced,
    and a label too long for a file system ends in a hash of the whole.
    """
    chosen = dict(override.lstrip("+~").split("=", 1) for override in overrides if "=" in override)
    chosen = {key: value for key, value in chosen.items() if key.split("@")[0] not in _NOT_IN_LABEL}
    chosen["seed"] = str(seed)
    label = ",".join(f"{key}={value}" for key, value in sorted(chosen.items()))
    label = re.sub(r"[^\w.,=+\-\[\]]", "-", label)
    if len(label) > 150:
        label = f"{label[:130]}-{hashlib.sha256(label.encode()).hexdigest()[:12]},seed={seed}"
    return label


def identity(config: Mapping[str, Any]) -> str:
    """SHA-256 (hexadecimal) of what determines a run's results."""
    leaves = {key: value for key, value in flatten(config).items() if key not in NOT_IDENTITY}
    if leaves.get("model.encoder_weights"):
        leaves["model.encoder_weights"] = PurePath(leaves["model.encoder_weights"]).name
    return hashlib.sha256(json.dumps(leaves, sort_keys=True).encode()).hexdigest()


class RunFolder:
    """The folder of one run: claims it for a configuration, writes its files, marks it complete.

    Args:
        path: The folder; it is made by :meth:`claim`, not before.
        config: The resolved configuration, plain types only.
    """

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        self.path = path
        self.config = config
        self.identity = identity(config)

    @property
    def checkpoint(self) -> Path:
        """The last epoch's checkpoint."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def _failure(self) -> Path:
        return self.path / "error.txt"

    @property
    def complete(self) -> bool:
        """Whether the run is finished: ``run.json`` is there and says so."""
        record = self.path / "run.json"
        return record.is_file() and _read_json(record).get("status") == "complete"

    def claim(self, data: str | None = None) -> None:
        """Makes the folder and its ``config.yaml``, or checks that both are this configuration's already.

        What a killed or failed attempt left behind is removed.

        Args:
            data: A hash of the data, where it is known: a run must not go on with other data than it began with.

        Raises:
            UserError: The folder belongs to another configuration or to other data, or cannot be made.
        """
        record = self.path / "config.yaml"
        if record.is_file():
            self._check_owner(record)
            self._check_data(data)
            for folder in (self.path, self.checkpoint.parent):
                remove_leftovers(folder)
            self._failure.unlink(missing_ok=True)
            return
        try:
            write_text(record, yaml.safe_dump(dict(self.config), sort_keys=False, allow_unicode=True))
            self._check_data(data)
        except OSError as error:
            raise UserError(f"{self.path}: cannot write the run folder ({error.strerror}); free the place") from None

    def fail(self, report: str) -> None:
        """Writes ``error.txt``, unless the folder belongs to another configuration; the next attempt removes it."""
        with suppress(UserError, OSError):
            self.claim()
            write_text(self._failure, report.rstrip() + "\n")

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Writes ``table`` atomically as Parquet or CSV, by the suffix of ``name``."""
        with atomic(self.path / name) as temporary:
            if name.endswith(".parquet"):
                table.to_parquet(temporary, index=False)
            else:
                table.to_csv(temporary, index=False, float_format="%.9g")

    def write_metrics(self, epochs: Sequence[Mapping[str, float]]) -> None:
        """Writes ``metrics.csv``, a row an epoch."""
        self.write_table("metrics.csv", pd.DataFrame(epochs))

    def finish(self, record: Mapping[str, Any]) -> None:
        """Writes ``run.json``; from now on the run is complete."""
        whole = {"status": "complete", "format": FORMAT, "identity": self.identity, **record}
        write_text(self.path / "run.json", json.dumps(whole, indent=2) + "\n")

    def _check_data(self, data: str | None) -> None:
        """Notes the data's hash once there is something to go on from, and compares it from then on."""
        path = self.checkpoint.with_name("data.sha256")
        if data is None:
            return
        if not self.checkpoint.is_file():
            write_text(path, data + "\n")
        elif path.is_file() and path.read_text(encoding="utf-8").strip() != data:
            raise UserError(
                f"{self.path}: the images, masks or split have changed since this run began; choose another sweep with "
                "name=..., or delete the folder to begin anew"
            )

    def _check_owner(self, record: Path) -> None:
        try:
            owner = yaml.safe_load(record.read_text(encoding="utf-8"))
            found = flatten(owner)
        except (yaml.YAMLError, AttributeError, UnicodeDecodeError):
            raise UserError(f"{record}: not a configuration; delete the folder {self.path} and run again") from None
        if identity(owner) == self.identity:
            return
        wanted = flatten(self.config)
        keys = sorted(key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key))
        keys = [key for key in keys if key not in NOT_IDENTITY]
        shown = ", ".join(f"{key}={found.get(key)} there, {wanted.get(key)} here" for key in keys[:3])
        raise UserError(
            f"{self.path}: holds a run of another configuration ({shown}); choose another sweep with name=..., or "
            "delete the folder"
        )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise UserError(f"{path}: not valid JSON; delete the file and run again to make it anew") from None
    return record if isinstance(record, dict) else {}
