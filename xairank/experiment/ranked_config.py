"""The configuration of a ranking, completed by what its files say, and the identity of these files.

Nothing heavy is imported here: a sweep of checkpoints is planned in a second.
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from xairank.errors import UserError
from xairank.files import expand_user, hash_folder, sha256
from xairank.runs.folder import RunFolder
from xairank.runs.identity import determining

Config = dict[str, Any]
_SPLIT = ("fold", "n_folds", "split_seed")
_PLACES = ("root", "table", "images", "masks", "synthetic", "download")


def complete_ranking(config: Config, overrides: Iterable[str]) -> Config:
    """Fills in the classes of a text file, and what a run of training says of its data, methods, metrics and seed.

    Args:
        config: Valid, with plain types.
        overrides: Of the command; they win.

    Raises:
        UserError: A file is not there or not of its kind.
    """
    config = with_classes(config)
    if config["model"]["source"] != "run":
        return config
    given = keys_of(overrides)
    trained = read_run(expand_user(config["model"]["path"])).config
    # What was trained is part of what is ranked: runs of other trainings do not count as repetitions of one.
    own = {key: value for key, value in determining(trained).items() if key.partition(".")[0] in ("model", "trainer")}
    completed = {
        **config,
        "data": _data_of_training(config["data"], trained["data"], given),
        "trained": own,
    }
    for section in ("attribution", "evaluation", "ranking", "seed"):
        if not any(key.partition(".")[0] == section for key in given):
            own_value = trained[section]  # a run of an earlier version may lack keys
            completed[section] = {**config[section], **own_value} if isinstance(own_value, dict) else own_value
    return completed


def _data_of_training(data: Config, trained: Config, given: Collection[str]) -> Config:
    """The training's data and split, in the place that is given, if any; another category is other data.

    Of other data only the view is that of the training, and all images are test images unless a fold is given.
    """
    other = "data.category" in given and data["category"] != trained["category"]
    moved = other or "data" in given or any(f"data.{key}" in given for key in _PLACES)
    kept = {*(_PLACES if moved else ()), *(_SPLIT if other else ())}
    completed = {
        key: value if f"data.{key}" in given or key in kept else trained.get(key, value) for key, value in data.items()
    }
    if {"data.images", "data.table"} & set(given) and "data.root" not in given:
        completed["root"] = None
    return completed


def with_classes(config: Config) -> Config:
    """The configuration with the names of the network's classes, read where they are in a file.

    Raises:
        UserError: The file is not there, or no such list.
    """
    model = dict(config["model"])
    if isinstance(model["classes"], str):
        model["classes"] = _read_classes(expand_user(model["classes"]))
    elif model["classes"] is not None:
        model["classes"] = [str(name) for name in model["classes"]]
    return {**config, "model": model}


def keys_of(overrides: Iterable[str]) -> set[str]:
    """What a command overrides."""
    return {override.lstrip("+~").partition("=")[0] for override in overrides}


def identify_ranked(config: Mapping[str, Any]) -> str | None:
    """SHA-256 (hexadecimal) of what is ranked, with the predictions beside it; None for a network made by code alone.

    Raises:
        UserError: There is no such file or folder.
    """
    model = config["model"]
    if config["maps"]:
        folder = expand_user(config["maps"])
        if not folder.is_dir():
            raise UserError(f"maps={folder}: no such folder; expected a folder of maps for each method in it")
        predictions = expand_user(config["predictions"]) if config["predictions"] else None
        if predictions and not predictions.is_file():
            raise UserError(f"predictions={predictions}: no such file; expected a table of predictions, .csv")
        return hash_folder(folder, *([predictions] if predictions else []))
    return identify_network(model)


def identify_network(model: Mapping[str, Any]) -> str | None:
    """SHA-256 (hexadecimal) of a network's checkpoint or weights; None for a network made by code alone.

    Raises:
        UserError: There is no such file or folder.
    """
    if model["source"] == "run":
        return sha256(read_run(expand_user(model["path"])).checkpoint)
    if not model["weights"]:
        return None
    path = expand_user(model["weights"])
    if not path.is_file():
        raise UserError(f"model.weights={path}: no such file; give the path of a .safetensors or .pth file")
    return sha256(path)


def read_run(path: Path) -> RunFolder:
    """A finished run of ``python -m xairank.train`` with its configuration.

    Raises:
        UserError: There is none in the folder.
    """
    where = f"model.path={path}"
    if not path.is_dir():
        raise UserError(f"{where}: no such folder; expected a run, such as multirun/paper/seed=42")
    try:
        config = yaml.safe_load((path / "config.yaml").read_text(encoding="utf-8"))
        trained = "encoder" in config["model"]
        folder = RunFolder(path, config)
    except (FileNotFoundError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        runs = sorted(str(place.parent) for place in path.glob("*/run.json"))
        hint = f"it holds runs, such as {runs[0]}" if runs else "expected a folder with config.yaml and run.json"
        raise UserError(f"{where}: not a run; {hint}") from None
    if not trained:
        raise UserError(f"{where}: a run of xairank.rank, which trained no network; give the network that it ranked")
    if not folder.complete or not folder.checkpoint.is_file():
        raise UserError(f"{where}: is not complete; the command that started it resumes it")
    return folder


def _read_classes(path: Path) -> list[str]:
    where = f"model.classes={path}"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UserError(
            f"{where}: no such file; expected a text file with a class a line, or a list such as [good,scratch]"
        ) from None
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{where}: cannot be read as text in UTF-8; save it again, a class a line") from None
    classes = [line.strip() for line in lines if line.strip()]
    twice = [name for name in classes if classes.count(name) > 1]
    if not classes or twice:
        found = f"{twice[0]} twice" if twice else "no class"
        raise UserError(f"{where}: found {found}; expected a class a line, in the order of the network's outputs")
    return classes
