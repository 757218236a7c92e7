"""The command that makes a sweep again, found by comparing its configuration with the defaults.

Runs keep what came of a command, not the command: overrides are those of the options that come nearest, and of whatever
differs from them; what they give is composed and compared.
"""

import functools
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from xairank.config import CONFIGURATION, flatten, is_trainer_argument
from xairank.rules import FREE, command_of
from xairank.runs.group import Group

_GROUPS = ("data", "model", "attribution", "evaluation")
# Given elsewhere, written by the command itself, or none of a result's business.
_LEFT_OUT = ("seed", "name", "logger", "trained")
# What takes the place of seeds where nothing was trained.
_NETWORKS = ("maps", "model.path", "model.weights")


def command_for(group: Group) -> str:
    """The command that makes the runs of a group; empty where no command is found that would."""
    config = group.config
    command = command_of(config)
    repeated = {key: values for key in ("seed", "data.fold", *_NETWORKS) if len(values := _values(group, key)) > 1}
    base = {key: value for key, value in config.items() if key not in _LEFT_OUT}
    with initialize_config_dir(str(CONFIGURATION.resolve()), version_base="1.3"):
        chosen = tuple(option for name in _GROUPS if (option := _nearest(command, name, base)))
        composed = _composed(command, chosen)
        if composed is None:
            return ""
        differing = [text for text in _differences(base, composed) if text.partition("=")[0] not in repeated]
        overrides = [*chosen, *differing]
        if not _gives(command, overrides, base, repeated):
            return ""
    several = [f"{key}={','.join(map(_text, values))}" for key, values in repeated.items()]
    seed = [] if "seed" in repeated else [f"seed={config['seed']}"]
    words = [f"name={_text(config['name'])}", *overrides, *seed, *several, *(["-m"] if repeated else [])]
    return " ".join(["python", "-m", f"xairank.{command}", *map(shlex.quote, words)])


def _values(group: Group, key: str) -> list[Any]:
    found = [flatten(config).get(key) for config in group.runs["config"]]
    return list(dict.fromkeys(value for value in found if value is not None))


@functools.lru_cache(maxsize=256)  # a fifth of a second each, and the groups of a sweep try the same options
def _composed(command: str, overrides: tuple[str, ...]) -> Mapping[str, Any] | None:
    """The configuration of a command; None where it does not take the overrides."""
    try:
        config = OmegaConf.to_container(compose(command, list(overrides)), resolve=True)
    except (HydraException, OmegaConfBaseException):  # an option of another command
        return None
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items() if key not in _LEFT_OUT}


def _nearest(command: str, group: str, config: Mapping[str, Any]) -> str:
    """The option of a group of the configuration that leaves the least to say; empty where it is the default."""
    fewest, nearest = _distance(config, _composed(command, ()) or {}, group), ""
    for path in sorted((Path(CONFIGURATION) / group).glob("*.yaml")):
        override = f"{group}={path.stem}"
        composed = _composed(command, (override,))
        if composed is not None and (distance := _distance(config, composed, group)) < fewest:
            fewest, nearest = distance, override
    return nearest


def _distance(config: Mapping[str, Any], base: Mapping[str, Any], group: str) -> int:
    return sum(1 for _ in _differences({group: config.get(group, {})}, {group: base.get(group, {})}))


def _differences(found: Mapping[str, Any], base: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Overrides that turn ``base`` into ``found``; what only ``base`` has is taken out where keys are free."""
    if prefix.rstrip(".") in FREE:
        yield from (f"~{prefix}{key}" for key in base if key not in found)
    for key, value in found.items():
        name = f"{prefix}{key}"
        if key not in base:
            plus = "" if is_trainer_argument(name) or name.startswith("model.arguments") else "+"
            yield f"{plus}{name}={_text(value)}"
        elif isinstance(value, Mapping) and isinstance(base[key], Mapping):
            yield from _differences(value, base[key], f"{name}.")
        elif value != base[key]:
            yield f"{name}={_text(value)}"


def _gives(command: str, overrides: Sequence[str], base: Mapping[str, Any], repeated: Mapping[str, Any]) -> bool:
    """Whether the command has this configuration, as far as the run recorded it."""
    opened = [f"++{one}" if is_trainer_argument(one.partition("=")[0]) else one for one in overrides]
    opened = [f"++{one}" if one.startswith("model.arguments") else one for one in opened]
    composed = _composed(command, tuple(opened))
    return composed is not None and all(text.partition("=")[0] in repeated for text in _differences(base, composed))


def _text(value: object) -> str:
    """A value as Hydra reads it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_text(some)}" for key, some in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_text, value))}]"
    if isinstance(value, str):
        plain = re.fullmatch(r"[A-Za-z_./][\w./-]*", value) and value.lower() not in (
            "null",
            "true",
            "false",
            "nan",
            "inf",
        )
        return value if plain else "'" + value.replace("\\", "\\\\").replace("'", r"\'") + "'"
    return repr(value)
