"""What makes two runs the same: the identity of a configuration, and the name of a run's folder.

The identity is the resolved configuration, less what only says where things are or what is logged, and the content of
the weights that the run starts from.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from xairank.config import flatten

# Where things are, how fast they are read and explained, what is kept and what is logged: none of it changes a result.
# The data in a place is identified by its name, data.category; weights and maps by their content.
NOT_IDENTITY = (
    "name",
    "data.root",
    "data.download",
    "data.table",
    "data.images",
    "data.masks",
    "data.num_workers",
    "data.cache",
    "attribution.batch_limit",
    "attribution.keep_maps",
    "trainer.accelerator",
    "trainer.devices",
    "device",
    "model.weights",
    "model.path",
    "maps",
    "predictions",
    "trainer.log_every_n_steps",
    "trainer.profiler",
    "trainer.detect_anomaly",
    "logger",
)
_WEIGHTS = ("model.encoder_weights", "model.pretrained")  # where they come from; what they are counts
# Of these the content counts, so that a label has their name and the beginning of their hash.
_FILES = ("model.encoder_weights", "model.weights", "model.path", "maps")
_NUMBER = re.compile(r"[-+]?((0|[1-9][\d_]*)(\.\d*)?|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)


def run_label(overrides: Iterable[str], seed: int, weights: str | None = None) -> str:
    """The name of a run's folder: its overrides in alphabetical order, or ``seed=N`` where there are none.

    Overrides of places (``data.root``) are left out, a weights file is its name and the first digits of its hash, one
    number has one spelling, characters that folders cannot hold are replaced, and a label too long for a file system
    ends in a hash of the whole.

    Args:
        overrides: As on the command line.
        seed: Of the run.
        weights: SHA-256 of what a run starts from, where that is a file or folder that an override names.

    Example:
        >>> run_label(["model.beta=1.0", "+trainer.max_time=00:01:00:00", "data.root=/data"], 42)
        'model.beta=1,seed=42,trainer.max_time=00-01-00-00'
    """
    chosen = dict(_parts(override) for override in overrides)
    # An experiment gives the sweep its name, unless another is chosen.
    left_out = NOT_IDENTITY if "name" in chosen else (*NOT_IDENTITY, "experiment")
    files = {key: PurePath(chosen[key].strip("'\"")) for key in _FILES if key in chosen}
    several = re.fullmatch(r"\d*[2-9]|\d+[01]|\[.*,.*\]", chosen.get("trainer.devices", "1"))
    kept = ["trainer.devices"] if several else []
    chosen = {
        key: _one_spelling(value) for key, value in chosen.items() if key in kept or not _is_left_out(key, left_out)
    }
    chosen.pop("model.encoder_weights", None)
    for key, file in files.items():
        if weights and file.name != "null":
            chosen[key] = f"{file.stem}-{weights[:8]}"
            chosen.pop("model.pretrained", None)  # which they take the place of
    chosen["seed"] = str(seed)
    label = ",".join(f"{key}={value}" for key, value in sorted(chosen.items()))
    label = re.sub(r"[^\w.,=+\-\[\]]", "-", label)
    if len(label) > 150:
        label = f"{label[:130]}-{hashlib.sha256(label.encode()).hexdigest()[:12]},seed={seed}"
    return label


def _is_left_out(key: str, left_out: Iterable[str]) -> bool:
    """Whether a key, or the mapping that it is of (``logger.project``), does not count."""
    key = key.split("@")[0]
    return any(key == one or key.startswith(f"{one}.") for one in left_out)


def _parts(override: str) -> tuple[str, str]:
    """Key and value of an override; of a deleted key the value is "removed"."""
    key, _, value = override.lstrip("+").partition("=")
    value = re.sub(r"\\(.)", r"\1", value)  # a sweep hands on what it escaped: nets\:build
    return (key[1:], "removed") if key.startswith("~") else (key, value)


def identity(config: Mapping[str, Any], weights: str | None = None) -> str:
    """SHA-256 (hexadecimal) of what determines a run's results.

    Args:
        config: Resolved; whether a number is written as 1 or 1.0 does not count.
        weights: What the run starts from: SHA-256 of a file of weights or of maps, ``pretrained:<name>``, or None for
            random weights.
    """
    leaves = {**determining(config), "weights": weights}
    return hashlib.sha256(json.dumps(leaves, sort_keys=True).encode()).hexdigest()


def determining(config: Mapping[str, Any]) -> dict[str, Any]:
    """The leaves that determine a run's results, but for the content of weights."""
    leaves = flatten(config)
    found = {key: _plain(value) for key, value in leaves.items() if key not in NOT_IDENTITY + _WEIGHTS}
    several = count_devices(leaves.get("trainer.devices", 1))
    # Which device computes does not count; how many share a batch does: each normalises its share by itself.
    return {**found, "trainer.devices": several} if several > 1 else found


def count_devices(devices: int | Sequence[int]) -> int:
    """How many devices ``trainer.devices`` means, a number or a list of indices."""
    return devices if isinstance(devices, int) else len(devices)


def _plain(value: Any) -> Any:  # noqa: ANN401
    """The value with whole numbers as integers, so that 1 and 1.0 are one."""
    if isinstance(value, Mapping):
        return {key: _plain(some) for key, some in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(some) for some in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _one_spelling(text: str) -> str:
    """The text of an override's value: 1.0 is 1, 1e-3 is 0.001, True is true."""
    if _NUMBER.fullmatch(text):
        number = float(text) if re.search(r"[.e]", text, re.IGNORECASE) else int(text)
        return str(_plain(number))
    return text.lower() if text.lower() in ("true", "false", "null") else text
