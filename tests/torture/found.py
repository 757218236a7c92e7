"""What attempts leave in the folder of a sweep, and what is wrong with it."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

COMPARED = ("scores.parquet", "excluded.csv", "metrics.csv", "maps.npz")


class Found(NamedTuple):
    """What is in the folder of a sweep: the content of each file by its name."""

    files: dict[str, bytes]

    @property
    def finished(self) -> dict[str, bytes]:
        """Results of complete runs, which no kill may take or change."""
        done = {run_of(name) for name in self.files if name.endswith("/run.json")}
        return {name: content for name, content in self.files.items() if is_result(name) and run_of(name) in done}

    @property
    def epochs(self) -> dict[str, int]:
        """Epochs that are trained, by run."""
        tables = {run_of(name): content for name, content in self.files.items() if name.endswith("metrics.csv")}
        return {name: content.count(b"\n") - 1 for name, content in tables.items()}

    def only(self, seed: str) -> "Found":
        """What belongs to one run of the sweep."""
        return Found({name: content for name, content in self.files.items() if run_of(name).endswith(seed)})


def run_of(name: str) -> str:
    return name.partition("/")[0]


def is_result(name: str) -> bool:
    return name.rpartition("/")[2] in COMPARED


def look(folder: Path) -> Found:
    sweep = folder / "multirun" / "test"
    files = (path for path in sweep.rglob("*") if path.is_file())
    return Found({path.relative_to(sweep).as_posix(): path.read_bytes() for path in files})


def lost(before: Found, now: Found) -> Iterator[str]:
    """What an attempt took away of what was done before it."""
    for file, content in before.finished.items():
        if now.files.get(file) != content:
            yield f"{file} of a complete run is gone or another one"
    for run, epochs in before.epochs.items():
        if now.epochs.get(run, 0) < epochs:
            yield f"{run} had {epochs} epochs and has {now.epochs.get(run, 0)}"


def differences(now: Found, expected: Found) -> Iterator[str]:
    """How a sweep that has ended differs from an undisturbed one."""
    yield from (f"left over: {file}" for file in sorted(now.files.keys() - expected.files.keys()))
    yield from (f"missing: {file}" for file in sorted(expected.files.keys() - now.files.keys()))
    for file, content in expected.files.items():
        if is_result(file) and now.files.get(file, content) != content:
            yield f"differs: {file}"
