"""One finished run is one folder: claims it, writes its files, says when it is complete.

A folder holds one identity for ever; ``run.json`` with ``"status": "complete"`` is written last.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from xairank.errors import UserError
from xairank.files import atomic, remove_leftovers, write_text
from xairank.locking import busy, held
from xairank.runs.identity import determining, identity

FORMAT = 2


class RunFolder:
    """The folder of one run: claims it for a configuration, writes its files, marks it complete.

    Args:
        path: The folder; it is made by :meth:`claim`, not before.
        config: The resolved configuration, plain types only.
        weights: What the encoder starts from, see :func:`identity`.
    """

    def __init__(self, path: Path, config: Mapping[str, Any], weights: str | None = None) -> None:
        self.path = path
        self.config = config
        self.weights = weights
        self.identity = identity(config, weights)

    @property
    def checkpoint(self) -> Path:
        """The last epoch's checkpoint."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def maps(self) -> Path:
        """The maps, if they are kept."""
        return self.path / "maps.npz"

    @property
    def parts(self) -> Path:
        """What is explained so far; not there when all is."""
        return self.path / "explained"

    @property
    def failure(self) -> Path:
        """Why the last attempt failed, in text; not there after one that did not."""
        return self.path / "error.txt"

    @property
    def record(self) -> dict[str, Any]:
        """What ``run.json`` says; nothing where it is not there."""
        return _read_json(self.path / "run.json")

    @property
    def complete(self) -> bool:
        """Whether the run is finished: ``run.json`` is there and says so."""
        return self.record.get("status") == "complete"

    @property
    def begun(self) -> bool:
        """Whether a run was started in the folder."""
        return (self.path / "config.yaml").is_file()

    def check_owner(self) -> None:
        """Compares this run with the one in the folder: with its record, and with its ``config.yaml``.

        Raises:
            UserError: The folder belongs to another configuration.
        """
        if self.begun:
            self._compare(self.path / "config.yaml")

    def claim(self, data: str | None = None) -> None:
        """Makes the folder and its ``config.yaml``, or checks that both are this configuration's already.

        What a killed or failed attempt left behind is removed.

        Args:
            data: A hash of the data, where it is known: a run must not be resumed with other data.

        Raises:
            UserError: The folder belongs to another configuration or to other data, or cannot be made.
        """
        if self.begun:
            self.check_owner()
            self._check_data(data)
            self._remove_leftovers()
            return
        try:
            write_text(
                self.path / "config.yaml", yaml.safe_dump(dict(self.config), sort_keys=False, allow_unicode=True)
            )
            self._check_data(data)
        except OSError as error:
            raise UserError(f"{self.path}: cannot write the run folder ({error.strerror}); free the place") from None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps other processes out of the folder until the block ends; a folder that is empty then is gone.

        Raises:
            UserError: Another process writes it, or nothing can be written.
        """
        new = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        try:
            with held(self._lock, self.path):
                yield
        finally:
            with suppress(OSError):  # the first that is not empty
                for folder in new:
                    folder.rmdir()

    def busy(self) -> str:
        """Which other process writes the folder, in a line for the user; an empty text where none does."""
        return busy(self._lock, self.path)

    def tidy(self) -> None:
        """Removes what an attempt that was killed left in a complete folder, where it can be removed."""
        if any(self.path.glob(".*")) or self.parts.exists() or self.failure.exists():
            with suppress(UserError, OSError), self.held():
                shutil.rmtree(self.parts, ignore_errors=True)
                self._remove_leftovers()

    def fail(self, report: str) -> None:
        """Writes ``error.txt``, where the folder is of this configuration and process; the next attempt removes it."""
        with suppress(UserError, OSError), self.held():
            self.claim()
            write_text(self.failure, report.rstrip() + "\n")

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
        self._write_record({**self._begun(), **record})

    def amend(self, changes: Mapping[str, Any]) -> None:
        """Changes what ``run.json`` says of a complete run."""
        self._write_record({**self.record, **changes})

    def _write_record(self, record: Mapping[str, Any]) -> None:
        whole = {"status": "complete", "format": FORMAT, **record}
        write_text(self.path / "run.json", json.dumps(whole, indent=2) + "\n")

    def _begun(self) -> dict[str, Any]:
        return {"identity": self.identity, "weights": self.weights}

    @property
    def _lock(self) -> Path:
        return self.path / ".lock"

    def _remove_leftovers(self) -> None:
        for folder in (self.path, self.checkpoint.parent):
            remove_leftovers(folder)
        self.failure.unlink(missing_ok=True)

    @property
    def _origin(self) -> Path:
        return self.checkpoint.with_name("origin.json")

    def _check_data(self, data: str | None) -> None:
        """Records what the run starts from; once there is a checkpoint to resume from, compares it."""
        if data is None:
            return
        if not self.checkpoint.is_file():
            write_text(self._origin, json.dumps({**self._begun(), "data": data}, indent=2) + "\n")
        elif _read_json(self._origin).get("data", data) != data:
            raise UserError(
                f"{self.path}: the images, masks or split have changed since this run began; choose another sweep with "
                "name=..., or delete the folder to start over"
            )

    def _compare(self, path: Path) -> None:
        begun = self.record or _read_json(self._origin)
        if begun.get("format", FORMAT) != FORMAT:
            raise UserError(
                f"{self.path}: holds a run of format {begun['format']}, of another version of xairank (this one writes "
                f"format {FORMAT}); choose another sweep with name=..., or delete the folder"
            )
        try:
            owner = yaml.safe_load(path.read_text(encoding="utf-8"))
            found = {**determining(owner), "weights": begun.get("weights", self.weights)}
        except (yaml.YAMLError, AttributeError, UnicodeDecodeError):
            raise UserError(f"{path}: not a configuration; delete the folder {self.path} and run again") from None
        wanted = {**determining(self.config), "weights": self.weights}
        keys = sorted(key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key))
        shown = ", ".join(f"{key}={_short(found.get(key))} there, {_short(wanted.get(key))} here" for key in keys[:3])
        recorded = begun.get("identity", self.identity)
        if keys and recorded == self.identity and begun:
            raise UserError(
                f"{path}: was changed after this run began ({shown}); restore these keys, or delete the folder"
            )
        if keys:
            raise UserError(
                f"{self.path}: holds a run of another configuration ({shown}); choose another sweep with name=..., or "
                "delete the folder"
            )
        if recorded != self.identity:
            raise UserError(
                f"{path}: was changed after the run in this folder began, which had another configuration; choose "
                "another sweep with name=..., or delete the folder"
            )


def _short(value: object) -> object:
    """A hash by its first digits."""
    return value[:8] if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) else value


def _read_json(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise UserError(f"{path}: not valid JSON; delete the file and run again to write it again") from None
    return record if isinstance(record, dict) else {}
