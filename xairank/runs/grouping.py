"""Which runs of a sweep belong together: what the sweep varies besides seed and fold, and what may not be pooled."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from xairank.config import flatten
from xairank.errors import UserError
from xairank.runs.identity import NOT_IDENTITY

ABSENT = "absent"  # shown for a key that only other runs of the sweep have

# Seed and fold are what a group repeats over; the rest says where, how fast and what is kept, never what results.
# Folders of maps are ranked each by itself: other tools made them.
_NOT_VARYING = ("seed", "data.fold", *(key for key in NOT_IDENTITY if key != "maps"))
_TRAINED = "trained."  # what a run was trained with whose network is ranked
_WEIGHTS = "model.encoder_weights"
_DIGITS = 8  # of a hash, where people read it


class Run(NamedTuple):
    """A complete run: its folder, what ``config.yaml`` and ``run.json`` say, and the name of its group."""

    folder: Path
    seed: int
    fold: int | None
    group: str
    config: dict[str, Any]
    info: dict[str, Any]


def in_groups(runs: Sequence[Run]) -> list[Run]:
    """The runs with the names of their groups, by group, seed and fold.

    Raises:
        UserError: Two runs of a group have the same seed, fold and network, or the same fold and different data.
    """
    weights = _weights_in_words(runs)
    leaves = [_comparable(run.config, words) for run, words in zip(runs, weights, strict=True)]
    keys = dict.fromkeys(key for some in leaves for key in some)
    varying = [key for key in keys if len({some.get(key, ABSENT) for some in leaves}) > 1]
    values = [[some.get(key, ABSENT) for key in varying] for some in leaves]
    named = [
        ([_numbers_first(text) for text in texts], run._replace(group=_join_keys(varying, texts)))
        for run, texts in zip(runs, values, strict=True)
    ]
    named.sort(key=lambda pair: (pair[0], pair[1].seed, -1 if pair[1].fold is None else pair[1].fold))
    ordered = _number_networks([run for _, run in named])
    _refuse_twins(ordered)
    _refuse_other_data(ordered)
    _refuse_other_methods(ordered)
    _refuse_changed_files(ordered)
    return ordered


def is_ranked_only(config: Mapping[str, Any]) -> bool:
    """Whether the run trained nothing: it ranked methods for a network, or maps, that existed."""
    return "maps" in config


def _number_networks(runs: Sequence[Run]) -> list[Run]:
    """Gives each network of a group that was not trained here a number for its seed, where their seeds are the same.

    The runs of a group then stay together in this order.
    """
    places: dict[tuple[object, ...], set[object]] = {}
    repeats: dict[str, dict[tuple[object, int], int]] = {}
    for run in runs:
        network = run.info.get("network")
        places.setdefault((run.group, run.seed, run.fold), set()).add(network)
        known = repeats.setdefault(run.group, {})
        known.setdefault((network, run.seed), len(known))
    shared = {group for (group, *_), found in places.items() if len(found) > 1}
    numbered = [
        run._replace(seed=repeats[run.group][run.info.get("network"), run.seed]) if run.group in shared else run
        for run in runs
    ]
    order = list(dict.fromkeys(run.group for run in runs))
    return sorted(numbered, key=lambda run: (order.index(run.group), run.seed))


def _refuse_twins(runs: Iterable[Run]) -> None:
    for run, after in pairwise(runs):
        if (run.group, run.seed, run.fold) == (after.group, after.seed, after.fold):
            raise UserError(
                f"{run.folder} and {after.folder.name}: the same configuration, seed and fold in two folders, which "
                "would count every image twice; move one of them out of the sweep"
            )


def _refuse_other_data(runs: Iterable[Run]) -> None:
    """Runs of one group start from the same images, masks and weights, and those of one fold see the same split."""
    first: dict[tuple[object, ...], Run] = {}
    for run in runs:
        for key, place, what in (
            ("images", (run.group,), "images or masks"),
            ("data", (run.group, run.fold), "images, masks or split"),
            ("encoder", (run.group,), "pretrained weights"),
        ):
            found = run.info.get(key)
            if found is None:
                continue
            before = first.setdefault((key, *place), run)
            if before.info[key] != found:
                raise UserError(
                    f"{before.folder} and {run.folder.name}: their {what} differ ({before.info[key][:_DIGITS]} and "
                    f"{found[:_DIGITS]} in run.json), so they cannot be pooled; delete the outdated runs or move them "
                    "out of the sweep, or train again under another name=..."
                )


def _refuse_other_methods(runs: Iterable[Run]) -> None:
    """Runs of one group ranked the same methods: one may have left out what its network does not allow."""
    first: dict[str, Run] = {}
    for run in runs:
        before = first.setdefault(run.group, run)
        there, here = (set(some.info["methods"]) for some in (before, run))
        if there != here:
            names = ", ".join(sorted(there ^ here))
            raise UserError(
                f"{before.folder} and {run.folder.name}: {names} ranked in one of them only, so that ranks and wins "
                "cannot be pooled; rank the same methods for all, or under two names"
            )


def _refuse_changed_files(runs: Iterable[Run]) -> None:
    """A file or folder that was ranked twice, and changed in between, is not two networks."""
    first: dict[tuple[str, str], Run] = {}
    for run in runs:
        if not is_ranked_only(run.config):
            continue
        model = run.config["model"]
        place = run.config["maps"] or model["path"] or model["weights"]
        if not place:
            continue
        before = first.setdefault((run.group, str(place)), run)
        if before.info.get("weights") != run.info.get("weights"):
            raise UserError(
                f"{before.folder} and {run.folder.name}: both ranked {place}, which changed in between, so that they "
                "cannot be pooled; delete the outdated one"
            )


def _weights_in_words(runs: Sequence[Run]) -> list[str | None]:
    """The encoder's weights file of each run by its name, with the first digits of its hash where names collide.

    The content counts: the same file under two names has one name here, the first.
    """
    files = [run.config.get("model", {}).get("encoder_weights") for run in runs]
    names = [file and PurePath(file).name for file in files]
    contents = [name and (run.info.get("weights") or name) for run, name in zip(runs, names, strict=True)]
    name_of: dict[str, str] = {}
    for name, content in zip(names, contents, strict=True):
        if name and content:
            name_of.setdefault(content, name)
    shared = list(name_of.values())
    return [
        None
        if content is None
        else f"{name_of[content]} ({content[:_DIGITS]})"
        if shared.count(name_of[content]) > 1
        else name_of[content]
        for content in contents
    ]


def _comparable(config: Mapping[str, Any], weights: str | None) -> dict[str, str]:
    """The leaves of a configuration that determine results, as texts in which 1 and 1.0 are the same."""
    leaves: dict[str, Any] = {}
    for key, value in flatten(config).items():
        if key not in _NOT_VARYING:
            leaves.update(flatten(value, f"{key}.") if isinstance(value, Mapping) else {key: value})
    if _WEIGHTS in leaves:
        leaves[_WEIGHTS] = weights
    if weights:  # which take the place of pretrained ones
        leaves.pop("model.pretrained", None)
    if maps := leaves.get("maps"):
        leaves["maps"] = PurePath(maps).name
    return {key.removeprefix(_TRAINED): _as_text(value) for key, value in leaves.items()}


def _as_text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else json.dumps(value)


def _numbers_first(text: str) -> tuple[bool, float, str]:
    try:
        return False, float(text), text
    except ValueError:
        return True, 0.0, text


def _join_keys(keys: Sequence[str], texts: Sequence[str]) -> str:
    return ", ".join(f"{key}={text}" for key, text in zip(keys, texts, strict=True))
