"""The options of methods, from the signatures of their constructors: a method of one's own has its form at once."""

import inspect
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml
from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate

from xairank.attribution import AttributionMethod
from xairank.errors import UserError
from xairank.experiment.wiring import cause_of
from xairank.names import display_name

Config = Mapping[str, Any]
# What people look for by another name than the constructor's.
_WORDS = {
    "smooth": "Blur, in pixels",
    "score": "Score that is explained",
    "layer": "Layer: its name, or a stage: 0 first, -1 last",
}
# A person at a page waits, and others behind: beyond these, time or memory is out of all proportion to what is gained.
_MOST = {"n_steps": 1_000, "cells": 64, "smooth": 1_000}
_MOST_COUNT = 10_000  # of any other number of steps, samples, masks or channels
_LONGEST = 200  # characters of a value that is typed


class Option(NamedTuple):
    """An option of a method.

    Attributes:
        name: Of the argument.
        label: In words.
        value: The entry's, or the constructor's default.
        choices: The values that are allowed; empty where they cannot be listed.
        most: The largest number that a page takes; None for any.
    """

    name: str
    label: str
    value: Any
    choices: tuple[str, ...] = ()
    most: int | None = None


def options_of(entry: Config) -> list[Option]:
    """The options of an entry of ``attribution.methods``, its own first, then those of every method."""
    kind = get_object(entry["_target_"])
    own: dict[str, Any] = {}
    for one in kind.__mro__:
        if "__init__" not in vars(one) or one is object:
            continue
        parameters = list(inspect.signature(vars(one)["__init__"]).parameters.values())[1:]
        own = {**{some.name: some.default for some in parameters if some.kind is not some.VAR_KEYWORD}, **own}
        if not any(some.kind is some.VAR_KEYWORD for some in parameters):
            break
    shared = inspect.signature(AttributionMethod).parameters
    ordered = [*(name for name in own if name not in shared), *(name for name in own if name in shared)]
    return [
        Option(name, _words(name), entry.get(name, own[name]), _choices(kind, name, own[name]), _most(name))
        for name in ordered
    ]


def make_method(label: str, entry: Config, values: Config) -> AttributionMethod:
    """The method with other values for its options.

    The values go to the constructor as they are: Hydra, which calls whatever function a configuration names, sees the
    entry alone, never what somebody typed.

    Raises:
        UserError: A value is not allowed; names the method and the option.
    """
    for name, value in values.items():
        most = _most(name)
        if most is not None and isinstance(value, int | float) and value > most:
            raise UserError(f"{label}: {name}={value} is not allowed: expected at most {most:,} on this page")
    try:
        method: AttributionMethod = instantiate({**entry, "_partial_": True})(**values)
    except InstantiationException as error:
        raise UserError(f"{label}: {cause_of(error)}") from None
    except Exception as error:  # whatever a person's own code raises
        raise UserError(f"{label}: {' '.join(str(error).split()) or type(error).__name__}") from None
    return method


def plain_words(name: str) -> str:
    """What a number is called where people read it.

    Example:
        >>> plain_words("n_noisy_samples")
        'noisy samples'
    """
    return name.removeprefix("n_").replace("_", " ")


def parse(text: str) -> Any:  # noqa: ANN401
    """The value that a person typed: a number, a word, a list such as [black, white], nothing for None.

    Example:
        >>> [parse(text) for text in ("25", "1e-6", "auto", "[black, white]", " ")]
        [25, 1e-06, 'auto', ['black', 'white'], None]

    Raises:
        UserError: The text is too long.
    """
    if len(text) > _LONGEST:
        raise UserError(f"{text[:20]}...: has {len(text):,} characters; expected at most {_LONGEST}")
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def shown(value: Any) -> str:  # noqa: ANN401
    """A value as :func:`parse` reads it.

    Example:
        >>> [shown(value) for value in (25, 1e-06, "auto", ("black", "white"), None)]
        ['25', '1e-06', 'auto', '[black, white]', '']
    """
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    return "" if value is None else str(value)


def _most(name: str) -> int | None:
    return _MOST.get(name, _MOST_COUNT if name.startswith("n_") else None)


def _words(name: str) -> str:
    return _WORDS.get(name, display_name(plain_words(name)))


def _choices(kind: type, name: str, default: object) -> tuple[str, ...]:
    """The words that a constructor says are allowed, where it says so: "expected black or white"."""
    if not isinstance(default, str):
        return ()
    try:
        kind(**{name: "?"})
    except ValueError as error:
        words = str(error).rpartition("expected ")[2].split(" or ")
    except Exception:  # whatever a person's own code raises
        return ()
    else:
        return ()
    return tuple(words) if len(words) > 1 and all(re.fullmatch(r"\w+", word) for word in words) else ()
