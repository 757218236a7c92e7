"""What each key of the configurations allows: of training, ranking what exists, explaining images, the dashboard."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


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

    allowed = f"a number {'greater than' if above else 'of at least'} {low:g}"
    return Rule(allowed if math.isfinite(low) else "a number", passes)


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
_ENTRIES_OR_NONE = Rule(
    "entries, each with a _target_, or none: {}",
    lambda value: (
        isinstance(value, Mapping)
        and all(isinstance(entry, Mapping) and "_target_" in entry for entry in value.values())
    ),
)
_ENTRIES = Rule(
    "at least one entry, each with a _target_",
    lambda value: (
        isinstance(value, Mapping)
        and len(value) > 0
        and all(isinstance(entry, Mapping) and "_target_" in entry for entry in value.values())
    ),
)


def _channels(one: Rule) -> Rule:
    def passes(value: object) -> bool:
        return value in ("auto", None) or (isinstance(value, list) and len(value) == 3 and all(map(one.passes, value)))

    return Rule(f"auto, null, or three numbers, one a channel, each {one.allowed}", passes)


_CLASSES = Rule(
    "null, a list of class names without repetition, or the path of a text file with one a line",
    lambda value: (
        value is None
        or _TEXT.passes(value)
        or (isinstance(value, list) and len(value) > 0 and len(set(map(str, value))) == len(value))
    ),
)
_ARGUMENTS = Rule("keyword arguments", lambda value: isinstance(value, Mapping))

_COMMON: dict[str, Rule] = {
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
    "data.cache": _SWITCH,
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
    "attribution.batch_limit": _or_auto(_integer(1)),
    "attribution.keep_maps": _SWITCH,
    "attribution.ladder": _SWITCH,
    "attribution.randomise": _SWITCH,
    "attribution.methods": _ENTRIES,
    "attribution.controls": _ENTRIES_OR_NONE,
    "evaluation.metrics": _ENTRIES,
    "evaluation.measures": _ENTRIES_OR_NONE,
    "ranking.metric": _TEXT,
    "ranking.ties": _choice("shared", "first"),
    "ranking.relied_on": _SWITCH,
}

# python -m xairank.train
TRAIN_RULES: dict[str, Rule] = _COMMON | {
    "model.encoder": _TEXT,
    "model.pretrained": _SWITCH,
    "model.encoder_weights": _optional(_TEXT),
    "model.decoder_channels": _integer(1, 4096),
    "model.beta": _number(0),
    "model.mask_loss": _choice("bce", "mse"),
    "model.class_weights": _choice("balanced", "none"),
    "model.normalize": _SWITCH,
    "model.lr": _number(0, above=True),
    "trainer.max_epochs": _integer(1),
    "trainer.accelerator": _choice("auto", "cpu", "gpu", "cuda", "mps"),
    "trainer.devices": Rule(
        "a number of devices of at least 1, or a list of their indices, such as [2]",
        lambda value: (
            _integer(1).passes(value)
            or (isinstance(value, list) and 0 < len(value) == len({*value}) and all(map(_integer(0).passes, value)))
        ),
    ),
    "trainer.precision": _choice("32-true", "16-mixed", "bf16-mixed"),
    "trainer.deterministic": Rule("true, false or warn", lambda value: isinstance(value, bool) or value == "warn"),
    "logger": Rule("one of the options of conf/logger", lambda value: isinstance(value, Mapping)),
}

# A network that exists.
_NETWORK: dict[str, Rule] = {
    "model.source": _optional(_choice("timm", "torchvision", "python", "run")),
    "model.name": _optional(_TEXT),
    "model.weights": _optional(_TEXT),
    "model.factory": _optional(_TEXT),
    "model.arguments": _ARGUMENTS,
    "model.path": _optional(_TEXT),
    "model.classes": _CLASSES,
    "model.layer": _optional(_TEXT),
    "model.mean": _channels(_number(-math.inf)),
    "model.std": _channels(_number(0, above=True)),
    "device": Rule(
        "auto, cpu, mps, cuda or cuda:N",
        lambda value: isinstance(value, str) and re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", value) is not None,
    ),
}

# python -m xairank.rank
RANK_RULES: dict[str, Rule] = (
    _COMMON
    | _NETWORK
    | {
        "data.fold": _optional(_integer(0)),
        "maps": _optional(_TEXT),
        "maps_sign": _optional(_choice("as_is", "abs", "positive")),
        "predictions": _optional(_TEXT),
        "trained": Rule("null; it is filled in", lambda value: value is None or isinstance(value, Mapping)),
    }
)

# What python -m xairank.explain reads and writes.
_OF_FILES = ("images", "masks", "output", "overwrite", "target", "scale", "batch_size")

# python -m xairank.explain
EXPLAIN_RULES: dict[str, Rule] = (
    _NETWORK
    | {key: rule for key, rule in _COMMON.items() if key.startswith("attribution.")}
    | {
        "images": Rule(
            "an image, a folder, a glob such as 'parts/*.png', or a list of these",
            lambda value: (
                _TEXT.passes(value) or (isinstance(value, list) and len(value) > 0 and all(map(_TEXT.passes, value)))
            ),
        ),
        "masks": _optional(_TEXT),
        "output": _TEXT,
        "overwrite": _SWITCH,
        "target": _TEXT,
        "scale": _choice("common", "image"),
        "image_size": _COMMON["data.image_size"],
        "crop": _COMMON["data.crop"],
        "mask_threshold": _COMMON["data.mask_threshold"],
        "seed": _COMMON["seed"],
        "batch_size": _integer(1),
    }
)

# python -m xairank.dashboard
DASHBOARD_RULES: dict[str, Rule] = {
    **{key: rule for key, rule in EXPLAIN_RULES.items() if key not in _OF_FILES},
    "folder": _TEXT,
    "host": _TEXT,
    "port": _integer(1, 65535),
    "allow_others": _SWITCH,
}

RULES = {"train": TRAIN_RULES, "rank": RANK_RULES, "explain": EXPLAIN_RULES, "dashboard": DASHBOARD_RULES}

# Mappings whose keys are free: their own rule covers them.
FREE = (
    "data.synthetic.defects",
    "attribution.methods",
    "attribution.controls",
    "evaluation.metrics",
    "evaluation.measures",
    "logger",
    "model.arguments",
    "trained",
)


def command_of(config: Mapping[str, Any]) -> str:
    """The command that a configuration is for, by a key that no other has."""
    own = {"output": "explain", "maps": "rank", "port": "dashboard"}
    return next((command for key, command in own.items() if key in config), "train")


def rules_of(config: Mapping[str, Any]) -> dict[str, Rule]:
    """The rules for a configuration."""
    return RULES[command_of(config)]
