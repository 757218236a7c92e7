"""Checks configurations by their rules; the one line a user reads when a key or a value is not allowed."""

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from xairank.errors import UserError
from xairank.rules import FREE, RULES, TRAIN_RULES, command_of, rules_of
from xairank.schema import RELIANCE

_PACKAGE = Path(__file__).parent
# An installed wheel carries the configuration inside the package, a checkout beside it.
CONFIGURATION = _PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _PACKAGE.parent / "conf"


# Other keys of trainer are arguments of Lightning's Trainer, which experiment/trainer.py checks; but a run's folder and
# its progress are ours.
_OURS = (
    *("callbacks", "plugins", "default_root_dir", "enable_checkpointing", "enable_progress_bar"),
    *("enable_model_summary", "num_sanity_val_steps", "fast_dev_run", "barebones", "num_nodes"),
    *("strategy", "use_distributed_sampler"),
)


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The leaves of a nested mapping by their dotted key; the free mappings are leaves of their own."""
    leaves: dict[str, Any] = {}
    for name, value in config.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and key not in FREE:
            leaves.update(flatten(value, f"{key}."))
        else:
            leaves[key] = value
    return leaves


def require_keys(config: Mapping[str, Any]) -> None:
    """Checks that no key was taken out of a resolved configuration.

    Raises:
        UserError: A key is missing; names it and what it allows.
    """
    leaves = flatten(config)
    _check_command(config)
    for key, rule in rules_of(config).items():
        group_is_off = key.rpartition(".")[0] in leaves
        if key not in leaves and not group_is_off and not any(leaf.startswith(f"{key}.") for leaf in leaves):
            raise UserError(f"{key}: is missing; expected {rule.allowed}")


def validate(config: Mapping[str, Any]) -> None:
    """Checks every key of a resolved configuration, before anything else is done.

    Raises:
        UserError: An unknown key, or a value outside what the key allows; names the key and what is allowed.
    """
    rules = rules_of(config)
    for key, value in flatten(config).items():
        if key not in rules:
            _check_other(key, rules)
            continue
        if not rules[key].passes(value):
            raise UserError(f"{key}={_shown(value)} is not allowed: expected {rules[key].allowed}")
    if "data" in config:
        _check_data(config["data"])
    if "ranking" in config:
        _check_ranking_metric(config["ranking"]["metric"], config["evaluation"]["metrics"])
        _check_relied_on(config)
    command = command_of(config)
    if command == "rank":
        _check_what_is_ranked(config)
    elif command == "explain" or (command == "dashboard" and config["model"]["source"]):
        _check_network(config["model"])


def is_trainer_argument(key: str) -> bool:
    """Whether a key without a rule is left to Lightning's Trainer."""
    return key.startswith("trainer.") and key not in TRAIN_RULES


def _check_command(config: Mapping[str, Any]) -> None:
    """That the network is one for the command: trained here, or one that exists."""
    model, command = config.get("model", {}), command_of(config)
    if command != "train" and "encoder" in model:
        others = ", or maps=FOLDER" if command == "rank" else ""
        raise UserError(
            "model=multitask: is what python -m xairank.train trains; expected a network that exists, model=timm, "
            f"torchvision, python or run{others}"
        )
    if command == "train" and "source" in model:
        raise UserError(
            f"model={model['source'] or 'none'}: is for python -m xairank.rank; training takes model=multitask with "
            "model.encoder=NAME"
        )


# What each source of a network needs, and what it may have beside it.
_NEEDED: dict[str, tuple[str, ...]] = {
    "timm": ("name", "weights"),
    "torchvision": ("name", "weights"),
    "python": ("factory",),
    "run": ("path",),
}
_ALLOWED: dict[str, tuple[str, ...]] = {
    "timm": ("arguments",),
    "torchvision": ("arguments",),
    "python": ("weights", "arguments"),
    "run": (),
}


def _check_what_is_ranked(config: Mapping[str, Any]) -> None:
    """A network with what its source needs and no more, or maps; never both."""
    model, source = config["model"], config["model"]["source"]
    if source and config["maps"]:
        raise UserError(f"model={source} and maps={config['maps']}: found both; expected one of them; remove the other")
    if config["maps"]:
        return
    for key in ("maps_sign", "predictions"):
        if config[key] is not None:
            raise UserError(f"{key}={config[key]}: belongs to maps=FOLDER, which is not given; give it or remove {key}")
    if not source:
        raise UserError(
            "model: no network and no maps given; expected model=timm, torchvision, python or run, or maps=FOLDER"
        )
    _check_network(model)


def _check_network(model: Mapping[str, Any]) -> None:
    """A network with what its source needs and no more."""
    source = model["source"]
    if not source:
        raise UserError("model: no network given; expected model=timm, torchvision, python or run")
    for key in _NEEDED[source]:
        if model[key] is None:
            raise UserError(f"model.{key}: missing; model={source} needs it; see --help for an example")
    for key in ("name", "weights", "factory", "path", "arguments"):
        if model[key] and key not in (*_NEEDED[source], *_ALLOWED[source]):
            raise UserError(f"model.{key}={model[key]}: is no key of model={source}; remove it or choose another model")


def _check_other(key: str, rules: Iterable[str]) -> None:
    if not is_trainer_argument(key) or rules is not TRAIN_RULES:
        raise UserError(unknown_key(key, rules))
    name = key.split(".")[1]
    if name in _OURS:
        raise UserError(f"{key}: is set by xairank, not by you; remove it")
    if name == "logger":
        raise UserError(
            f"{key}: is not a key of the trainer here; choose a logger with logger=tensorboard, mlflow, wandb or aim"
        )


def _check_ranking_metric(metric: str, metrics: Iterable[str]) -> None:
    if metric not in metrics:
        raise UserError(
            f"ranking.metric={metric} is not allowed: expected an entry of evaluation.metrics: {' or '.join(metrics)}"
        )


def _check_relied_on(config: Mapping[str, Any]) -> None:
    """That what ``ranking.relied_on`` decides by is measured."""
    if not config["ranking"]["relied_on"]:
        return
    if config.get("maps"):
        raise UserError(
            f"ranking.relied_on=true and maps={config['maps']}: whether the model uses the defect cannot be measured "
            "without the model; rank the network, or set ranking.relied_on=false"
        )
    if RELIANCE not in config["evaluation"]["measures"]:
        raise UserError(
            f"ranking.relied_on=true: decides by evaluation.measures.{RELIANCE}, which is missing; expected evaluation="
            "overlap or faithfulness, or ranking.relied_on=false"
        )


def _check_data(data: Mapping[str, Any]) -> None:
    """Data has the fold that is tested, and is in one place."""
    if data["fold"] is not None and data["fold"] >= data["n_folds"]:
        raise UserError(
            f"data.fold={data['fold']} is not allowed: data.n_folds={data['n_folds']} folds are numbered from 0 to "
            f"{data['n_folds'] - 1}"
        )
    _check_place(data)


def _check_place(data: Mapping[str, Any]) -> None:
    """Data is in one place: a root folder, a table, or images and masks."""
    if (data["images"] is None) != (data["masks"] is None):
        given, missing = ("masks", "images") if data["images"] is None else ("images", "masks")
        raise UserError(f"data.{missing}: missing; expected the folder that belongs to data.{given}={data[given]}")
    given_places = [f"data.{key}={data[key]}" for key in ("root", "table", "images") if data[key] is not None]
    if not given_places:
        raise UserError("data: no place given; expected data.table=FILE, or data.images=FOLDER and data.masks=FOLDER")
    if len(given_places) > 1:
        raise UserError(
            f"{' and '.join(given_places)}: more than one place; keep one; for your own images choose data=folder"
        )


def unknown_key(key: str, known: Iterable[str]) -> str:
    """The message for a key that does not exist, with the nearest one that does."""
    known = list(known)
    group = key.rpartition(".")[0]
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    siblings = sorted(name for name in known if name.rpartition(".")[0] == group) or sorted(known)
    hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(siblings)}"
    return f"{key}: no such key; {hint}"


def composition_message(error: Exception, command: str = "train") -> str:
    """One line for what Hydra says of a wrong override, in our words where we know better.

    Args:
        error: Hydra's.
        command: ``train``, ``rank``, ``explain`` or ``dashboard``.
    """
    text = " ".join(str(error).split())
    if unknown := re.search(r"Could not override '([^']+)'", text):
        key, known_keys = unknown.group(1), RULES[command]
        if key in known_keys:  # of another option of its group
            group = key.partition(".")[0]
            return f"{key}: is no key of the {group} that is chosen; choose another with {group}=NAME, or remove it"
        return unknown_key(key, known_keys)
    if option := re.search(
        r"Could not find '(\w+)/([^']+)' Available options in '\w+': (.*?) Config search path", text
    ):
        group, name, known = option.groups()
        return f"{group}={name}: no such option; expected {' or '.join(known.split())}"
    if bare := re.search(r"Error parsing override '([^']*)' missing EQUAL", text):
        return f"{bare.group(1)}: found no '='; expected key=value, for example model.beta=0.1"
    if several := re.search(r"Ambiguous value for argument '([^']+)'", text):
        found = f"{several.group(1)}: found several values"
        if command == "explain":
            return f"{found}; expected a list in brackets, such as images=[a.png,b.png], or quote a text with commas"
        return f"{found}; add -m at the end to run each, or quote a text with commas"
    override = getattr(error, "override", None)  # of Hydra's OverrideParseException
    if override and "grammar" in text:
        key, _, value = override.partition("=")
        return f"{override}: holds characters that mean something to Hydra; quote the value: '{key}=\"{value}\"'"
    return text


def _shown(value: object) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
