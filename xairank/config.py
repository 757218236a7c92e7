"""What each configuration key allows, and the one line a user reads when a value is not allowed."""

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from xairank.errors import UserError

_PACKAGE = Path(__file__).parent
# An installed wheel carries the configuration inside the package, a checkout beside it.
CONFIGURATION = _PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _PACKAGE.parent / "conf"


class Rule(NamedTuple):
    """A test of one value, and the words that say what passes it."""

    allowed: str
    passes: Callable[[Any], bool]


def _integer(low: int, high: int | None = None) -> Rule:
    allowed = f"a whole number of at least {low}" if high is None else f"a whole number from {low} to {high}"
    return Rule(allowed, lambda value: type(value) is int and value >= low and (high is None or value <= high))


def _number(low: float, *, above: bool = False) -> Rule:
    def passes(value: object) -> bool:
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            return False
        return value > low if above else value >= low

    return Rule(f"a number {'greater than' if above else 'of at least'} {low:g}", passes)


def _choice(*options: str) -> Rule:
    return Rule(" or ".join(options), lambda value: value in options)


def _optional(rule: Rule) -> Rule:
    return Rule(f"{rule.allowed}, or null", lambda value: value is None or rule.passes(value))


def _or_auto(rule: Rule) -> Rule:
    return Rule(f"{rule.allowed}, or auto", lambda value: value == "auto" or rule.passes(value))


_TEXT = Rule("a text", lambda value: isinstance(value, str) and value.strip() != "")
_NAME = Rule(
    "a plain folder name (no slash, not starting with a dot)",
    lambda value: isinstance(value, str) and re.fullmatch(r"[^./\\][^/\\]{0,99}", value) is not None,
)
_SWITCH = Rule("true or false", lambda value: isinstance(value, bool))
_COUNTS = Rule(
    "a number of images of at least 1 for each defect class",
    lambda value: isinstance(value, Mapping) and len(value) > 0 and all(_integer(1).passes(n) for n in value.values()),
)
_ENTRIES = Rule(
    "at least one entry, each with a _target_",
    lambda value: (
        isinstance(value, Mapping)
        and len(value) > 0
        and all(isinstance(entry, Mapping) and "_target_" in entry for entry in value.values())
    ),
)

# Keys below those of _FREE are free: their parent's rule covers them.
RULES: dict[str, Rule] = {
    "seed": _integer(0, 2**32 - 1),
    "name": _NAME,
    "data.root": _optional(_TEXT),
    "data.category": _NAME,
    "data.download": _SWITCH,
    "data.table": _optional(_TEXT),
    "data.images": _optional(_TEXT),
    "data.masks": _optional(_TEXT),
    "data.image_size": _integer(32, 2048),
    "data.crop": _choice("center", "none"),
    "data.mask_threshold": _optional(_integer(0, 65535)),
    "data.batch_size": _integer(2),
    "data.num_workers": _integer(0, 256),
    "data.split_seed": _integer(0, 2**32 - 1),
    "data.fold": _integer(0),
    "data.n_folds": _integer(2),
    "data.augment_evaluation": _SWITCH,
    "data.synthetic": Rule("null, or the keys of data=synthetic", lambda v: v is None or isinstance(v, Mapping)),
    "data.synthetic.good": _integer(1),
    "data.synthetic.defects": _COUNTS,
    "data.synthetic.image_size": _integer(32, 1024),
    "data.synthetic.seed": _integer(0, 2**32 - 1),
    "data.synthetic.distractor": _choice("none", "sticker"),
    "model.encoder": _TEXT,
    "model.pretrained": _SWITCH,
    "model.encoder_weights": _optional(_TEXT),
    "model.decoder_channels": _integer(1, 4096),
    "model.beta": _number(0),
    "model.mask_loss": _choice("bce", "mse"),
    "model.class_weights": _choice("balanced", "none"),
    "model.normalize": _SWITCH,
    "model.lr": _number(0, above=True),
    "attribution.batch_limit": _or_auto(_integer(1)),
    "attribution.keep_maps": _SWITCH,
    "attribution.methods": _ENTRIES,
    "evaluation.metrics": _ENTRIES,
    "trainer.max_epochs": _integer(1),
    "trainer.accelerator": _choice("auto", "cpu", "gpu", "cuda", "mps"),
    "trainer.devices": Rule(
        "1, or a list with the index of one device, such as [2]",
        lambda value: (
            (value == 1 and not isinstance(value, bool))
            or (isinstance(value, list) and len(value) == 1 and _integer(0).passes(value[0]))
        ),
    ),
    "trainer.precision": _choice("32-true", "16-mixed", "bf16-mixed"),
    "trainer.deterministic": Rule("true, false or warn", lambda value: isinstance(value, bool) or value == "warn"),
    "ranking.metric": _TEXT,
    "ranking.ties": _choice("shared", "first"),
    "logger": Rule("one of the options of conf/logger", lambda value: isinstance(value, Mapping)),
}
# Other keys of trainer are arguments of Lightning's Trainer, which experiment/trainer.py checks; but a run's folder and
# its progress are ours.
_OURS = (
    *("callbacks", "plugins", "default_root_dir", "enable_checkpointing", "enable_progress_bar"),
    *("enable_model_summary", "num_sanity_val_steps", "fast_dev_run", "barebones", "num_nodes"),
)
_FREE = ("data.synthetic.defects", "attribution.methods", "evaluation.metrics", "logger")


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The leaves of a nested mapping by their dotted key; the free mappings are leaves of their own."""
    leaves: dict[str, Any] = {}
    for name, value in config.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and key not in _FREE:
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
    for key, rule in RULES.items():
        group_is_off = key.rpartition(".")[0] in leaves
        if key not in leaves and not group_is_off and not any(leaf.startswith(f"{key}.") for leaf in leaves):
            raise UserError(f"{key}: is missing; expected {rule.allowed}")


def validate(config: Mapping[str, Any]) -> None:
    """Checks every key of a resolved configuration, before anything else is done.

    Raises:
        UserError: An unknown key, or a value outside what the key allows; names the key and what is allowed.
    """
    for key, value in flatten(config).items():
        if key not in RULES:
            _check_other(key)
            continue
        if not RULES[key].passes(value):
            raise UserError(f"{key}={_shown(value)} is not allowed: expected {RULES[key].allowed}")
    data = config["data"]
    if data["fold"] >= data["n_folds"]:
        raise UserError(
            f"data.fold={data['fold']} is not allowed: data.n_folds={data['n_folds']} folds are numbered from 0 to "
            f"{data['n_folds'] - 1}"
        )
    _check_place(data)
    if "ranking" in config:
        _check_ranking_metric(config["ranking"]["metric"], config["evaluation"]["metrics"])


def is_trainer_argument(key: str) -> bool:
    """Whether a key without a rule is left to Lightning's Trainer."""
    return key.startswith("trainer.") and key not in RULES


def _check_other(key: str) -> None:
    if not is_trainer_argument(key):
        raise UserError(unknown_key(key, RULES))
    name = key.split(".")[1]
    if name in _OURS:
        raise UserError(f"{key}: is set by xairank, not by you; remove it")
    if name == "logger":
        raise UserError(f"{key}: is not a key of the trainer here; choose a logger with logger=tensorboard or wandb")


def _check_ranking_metric(metric: str, metrics: Iterable[str]) -> None:
    if metric not in metrics:
        raise UserError(
            f"ranking.metric={metric} is not allowed: expected an entry of evaluation.metrics: {' or '.join(metrics)}"
        )


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


def composition_message(error: Exception) -> str:
    """One line for what Hydra says of a wrong override, in our words where we know better."""
    text = " ".join(str(error).split())
    if unknown := re.search(r"Could not override '([^']+)'", text):
        return unknown_key(unknown.group(1), RULES)
    if option := re.search(
        r"Could not find '(\w+)/([^']+)' Available options in '\w+': (.*?) Config search path", text
    ):
        group, name, known = option.groups()
        return f"{group}={name}: no such option; expected {' or '.join(known.split())}"
    if bare := re.search(r"Error parsing override '([^']*)' missing EQUAL", text):
        return f"{bare.group(1)}: found no '='; expected key=value, for example model.beta=0.1"
    if several := re.search(r"Ambiguous value for argument '([^']+)'", text):
        return f"{several.group(1)}: found several values; add -m at the end to run each, or quote a text with commas"
    override = getattr(error, "override", None)  # of Hydra's OverrideParseException
    if override and "grammar" in text:
        key, _, value = override.partition("=")
        return f"{override}: holds characters that mean something to Hydra; quote the value: '{key}=\"{value}\"'"
    return text


def _shown(value: object) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
