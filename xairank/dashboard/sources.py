"""The networks that can be chosen: the finished runs of a folder, and the one that the command line names."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from xairank.data.images import View
from xairank.errors import UserError
from xairank.experiment.explain_config import classes_of, with_run
from xairank.experiment.ranked_config import read_run, with_classes
from xairank.files import expand_user

Config = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """A network that can be explained, and how it sees an image.

    Attributes:
        model: The keys of ``model``, as of ``python -m xairank.explain``.
        classes: Names of its outputs, in order.
        view: What it sees of an image.
        seed: Of methods that draw at random.
        entries: Of ``attribution.methods``, those with which a run was made; none of another network.
    """

    model: Config
    classes: list[str]
    view: View
    seed: int
    entries: Config

    @property
    def key(self) -> str:
        """What tells it from every other one, also from what stood in the same place before."""
        path = f"{self.model['path']}/checkpoints/last.ckpt" if self.model["path"] else self.model["weights"] or ""
        file = expand_user(path)
        written = file.stat().st_mtime_ns if file.is_file() else None
        return json.dumps([self.model, self.classes, self.view.size, written], sort_keys=True)


def find_sources(config: Config, given: Collection[str]) -> dict[str, Callable[[], Source]]:
    """What can be chosen, by the name that people read; a source is read when it is asked for.

    Args:
        config: Of ``python -m xairank.dashboard``, valid and with plain types.
        given: The keys that are overridden.

    Raises:
        UserError: The network of the command line is incomplete.
    """
    found: dict[str, Callable[[], Source]] = {}
    if config["model"]["source"]:
        source = _of_command(config, given)
        found[_name(config["model"])] = lambda: source
    for path in _finished(expand_user(config["folder"])):
        found.setdefault(f"{path.parent.name} / {path.name}", partial(_of_run, path, config))
    return found


def check_sources(found: Mapping[str, object], folder: str) -> None:
    """Checks that there is a network to choose.

    Raises:
        UserError: There is none.
    """
    if not found:
        raise UserError(
            f"folder={folder}: holds no finished run with a network, and no model=... is given; train one with python "
            "-m xairank.train experiment=demo, or name a network as for python -m xairank.explain"
        )


def _of_command(config: Config, given: Collection[str]) -> Source:
    config = with_classes(config)
    if config["model"]["source"] == "run":
        record = read_run(expand_user(config["model"]["path"])).record
        completed = with_run(config, given)
        return _source(completed, record["classes"], completed["attribution"]["methods"])
    return _source(config, classes_of(config["model"]), {})


def _of_run(path: Path, config: Config) -> Source:
    """A run of training, or of ranking, which says how its network is made."""
    try:
        ran = yaml.safe_load((path / "config.yaml").read_text(encoding="utf-8"))
        classes = json.loads((path / "run.json").read_text(encoding="utf-8"))["classes"]
        model, entries = ran["model"], ran["attribution"]["methods"]
        view = {key: ran["data"][key] for key in ("image_size", "crop", "mask_threshold")}
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        raise UserError(f"{path}: cannot be read; choose another run, or run it again") from None
    if "encoder" in model:
        model = {**dict.fromkeys(config["model"]), "source": "run", "path": str(path)}
    if not model.get("source"):
        raise UserError(f"{path}: its network was given in Python and cannot be built again; choose another run")
    return _source({**config, **view, "model": model, "seed": ran["seed"]}, classes, entries)


def _source(config: Config, classes: list[str], entries: Config) -> Source:
    model = {**config["model"], "classes": classes}
    view = View(config["image_size"], config["crop"], config["mask_threshold"])
    return Source(model, classes, view, config["seed"], entries)


def _finished(folder: Path) -> list[Path]:
    """The folders of runs that explained a network; only the small ``run.json`` is read."""
    return [path.parent for path in sorted(folder.glob("*/*/run.json")) if _has_network(path)]


def _has_network(path: Path) -> bool:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    # Of maps from elsewhere nothing was explained, so that there is no limit of a batch.
    return isinstance(record, dict) and record.get("status") == "complete" and "batch_limit" in record


def _name(model: Config) -> str:
    """What people read of the network of the command line."""
    what = model["path"] or model["name"] or model["factory"]
    weights = f", {Path(model['weights']).name}" if model["weights"] else ""
    return f"{what}{weights}"
