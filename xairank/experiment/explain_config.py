"""The configuration of ``python -m xairank.explain``, completed by what a run says of its network."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from omegaconf import DictConfig, OmegaConf

from xairank.config import require_keys, unknown_key, validate
from xairank.errors import UserError
from xairank.experiment.ranked_config import identify_network, keys_of, read_run, with_classes
from xairank.files import expand_user

Config = dict[str, Any]
PREDICTED = "predicted"
# What the network sees of a file; a run's own, unless an override says otherwise.
_VIEW = ("image_size", "crop", "mask_threshold")
# How, where and how fast, but not what is explained.
_NOT_EXPLAINED = ("output", "overwrite", "scale", "device", "batch_size")


def complete_explaining(config: DictConfig, overrides: Iterable[str]) -> Config:
    """Checks a composed configuration; with ``model=run``, view, methods and seed come from the run.

    Args:
        config: As Hydra composes it.
        overrides: Of the command; they win.

    Raises:
        UserError: A value is not allowed, or a file is not there or not of its kind.
    """
    resolved = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(resolved, dict)
    plain: Config = {str(key): value for key, value in resolved.items()}
    require_keys(plain)
    validate(plain)
    plain = with_classes(plain)
    if plain["model"]["source"] == "run":
        plain = with_run(plain, keys_of(overrides))
    else:
        check_target(plain["target"], classes_of(plain["model"]))
    return plain


def classes_of(model: Mapping[str, Any]) -> list[str]:
    """The names of the outputs of a network that no run describes.

    Raises:
        UserError: They are not given.
    """
    if model["classes"] is None:
        raise UserError(
            "model.classes: missing; name the network's outputs in order, model.classes=[good,scratch], or give a text "
            "file with a name a line"
        )
    return list(model["classes"])


def check_target(target: str, classes: list[str]) -> None:
    """Checks that the class to explain is one of the network's.

    Raises:
        UserError: It is not.
    """
    if target not in (PREDICTED, *classes):
        found = unknown_key(target, [PREDICTED, *classes]).replace("no such key", "no class of the network")
        raise UserError(f"target={found}")


def what_is_explained(config: Mapping[str, Any]) -> Config:
    """The part of the configuration that maps depend on: two calls that share it may share their folder."""
    kept = {key: value for key, value in config.items() if key not in _NOT_EXPLAINED}
    content = {"attribution": config["attribution"]["methods"], "weights": identify_network(config["model"])}
    return {**kept, **content}


@contextmanager
def in_keys_of_explain() -> Iterator[None]:
    """Errors name the keys of this command: it has no group ``data``."""
    try:
        yield
    except UserError as error:
        text = str(error)
        for key in _VIEW:
            text = text.replace(f"data.{key}", key)
        raise UserError(text) from None


def with_run(config: Config, given: Collection[str]) -> Config:
    """The configuration with the view, the seed and the methods of the run that ``model.path`` names.

    Args:
        config: Of ``python -m xairank.explain`` or ``xairank.dashboard``.
        given: The keys that are overridden, which win.

    Raises:
        UserError: There is no such run.
    """
    trained = read_run(expand_user(config["model"]["path"])).config
    view = {key: trained["data"][key] for key in _VIEW if key not in given}
    completed = {**config, **view}
    if "seed" not in given:
        completed["seed"] = trained["seed"]
    if not any(key.partition(".")[0] == "attribution" for key in given):
        completed["attribution"] = {**config["attribution"], **trained["attribution"]}
    return completed
