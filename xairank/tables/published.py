"""The paper's figures, and where a run of another protocol can be compared with them.

``published_results.json`` holds the per-seed facts of the result files published with the paper (ten seeds on hazelnut,
github.com/khoaphamanh/project_iml). They come from the released code, which is not everywhere what the paper says.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd

from xairank.config import flatten
from xairank.names import in_words
from xairank.runs.grouping import is_ranked_only
from xairank.schema import TRAINING_METRICS

WIN_RATE = "win_rate"

# Table 1 of the paper.
HYPERPARAMETERS: dict[str, tuple[str, Any]] = {
    "trainer.max_epochs": ("Number of epochs", 30),
    "data.batch_size": ("Batch size", 32),
    "model.lr": ("Learning rate", 0.001),
    "data.num_workers": ("Number of workers", 4),
    "model.beta": ("Consistency weight (β)", 1),
    "model.decoder_channels": ("Base number of decoder channels", 16),
}

_LOSSES = TRAINING_METRICS[:3]
_ALL = (*TRAINING_METRICS, WIN_RATE)


@dataclass(frozen=True)
class Condition:
    """A part of the published protocol.

    Attributes:
        key: Of the configuration.
        published: The value in the published runs.
        label: What it is, in words.
        word: Said in place of a difference where another value rules a comparison out.
        decides: The measures it rules out; the others are compared all the same, with a remark.
        touches: The measures it has to do with.
    """

    key: str
    published: Any
    label: str
    word: str
    decides: tuple[str, ...] = _ALL
    touches: tuple[str, ...] = _ALL


_IG = "attribution.methods.integrated_gradients"
# On other data the published figures say nothing, and are not shown.
_DATA = (
    Condition("data.synthetic", None, "Rendered images", "rendered images"),
    Condition("data.category", "hazelnut", "Category", "other category"),
)
PROTOCOL = (
    *_DATA,
    Condition("data.image_size", 224, "Image size", "other image size"),
    Condition("data.crop", "center", "Crop", "other crop"),
    Condition("data.n_folds", 5, "Number of folds", "other split"),
    Condition("data.augment_evaluation", True, "Flips of evaluated images", "", decides=()),
    Condition("model.encoder", "efficientnet_b0", "Encoder", "other encoder"),
    Condition("model.pretrained", True, "Pretrained encoder", "other weights"),
    Condition("model.encoder_weights", None, "File of the encoder's weights", "", decides=()),
    Condition("model.mask_loss", "mse", "Mask loss", "other mask loss", decides=("loss", "mask_loss")),
    Condition(
        "model.class_weights", "balanced", "Class weights", "other weights", decides=("loss", "classification_loss")
    ),
    Condition("model.normalize", False, "Normalised input", "", decides=()),
    *(
        Condition(key, value, label, f"other {label.lower()}")
        for key, (label, value) in HYPERPARAMETERS.items()
        if key != "data.num_workers"
    ),
    Condition("trainer.precision", "32-true", "Precision of training", "", decides=()),
    Condition(f"{_IG}.n_steps", 25, "Steps of integrated gradients", "", decides=(), touches=(WIN_RATE,)),
    Condition(f"{_IG}.rule", "gauss_legendre", "Rule of integrated gradients", "", decides=(), touches=(WIN_RATE,)),
    Condition(f"{_IG}.baseline", "black", "Baseline of integrated gradients", "", decides=(), touches=(WIN_RATE,)),
    # The published overlap is an intersection over union, which orders maps as the overlap named here does.
    Condition("ranking.metric", "topk_overlap", "Metric that decides", "other metric", (WIN_RATE,), (WIN_RATE,)),
    Condition("ranking.ties", "first", "Ties", "", decides=(), touches=(WIN_RATE,)),
    Condition("ranking.relied_on", False, "Images the model relies on", "other images", (WIN_RATE,), (WIN_RATE,)),
)


@dataclass(frozen=True)
class Comparability:
    """How far some measures of a configuration can be compared with the published ones.

    Attributes:
        words: For each measure that cannot be compared, why not in a word or two.
        reasons: The same in sentences.
        remarks: What else differs, where measures are compared all the same.
    """

    words: dict[str, str]
    reasons: list[str]
    remarks: list[str]


OTHER_DATA = "Published figures exist, for the real images of hazelnut; beside other data, as here, they are not shown."
SAME_ORDER = (
    "The published overlap is an intersection over union, which orders maps as Top-K Overlap does, so wins compare; "
    "ties inside a map are cut by array position there, shared by expectation here."
)
UNKNOWN_IMAGES = "Which images the published runs trained on and tested is not known; the split has the same sizes."


def on_published_data(config: Mapping[str, Any]) -> bool:
    """Whether a run saw the category of the published runs."""
    leaves = leaves_of(config)
    return not is_ranked_only(config) and all(leaves.get(condition.key) == condition.published for condition in _DATA)


def compare_protocol(config: Mapping[str, Any], measures: Sequence[str]) -> Comparability:
    """Compares a resolved configuration with the published protocol, condition by condition.

    Args:
        config: Resolved.
        measures: Some of :data:`xairank.schema.TRAINING_METRICS` and "win_rate".
    """
    words: dict[str, str] = {}
    reasons, remarks = [], []
    leaves = leaves_of(config)
    for condition in PROTOCOL:
        found = leaves.get(condition.key)
        if found == condition.published or condition.key not in leaves:
            continue
        difference = f"{condition.key} is {as_text(found)}, {as_text(condition.published)} in the published runs"
        ruled_out = [measure for measure in measures if measure in condition.decides]
        if ruled_out:
            reasons.append(f"{_not_comparable(ruled_out, measures, condition.word)}: {difference}.")
            words = {**dict.fromkeys(ruled_out, condition.word), **words}
        elif set(measures) & set(condition.touches):
            remarks.append(difference)
    methods = list(config["attribution"]["methods"])
    if WIN_RATE in measures and set(methods) != set(published_methods()):
        names = f"{', '.join(methods)} here, {', '.join(published_methods())} in the published runs"
        reasons.append(f"{_not_comparable([WIN_RATE], measures, 'other methods')}: {names}.")
        words.setdefault(WIN_RATE, "other methods")
    return Comparability(words, reasons, remarks if len(words) < len(measures) else [])


def published_methods() -> list[str]:
    """The methods, in the paper's order, which decides ties in the released code."""
    return list(_results()["methods"])


def published_metrics() -> pd.DataFrame:
    """The published ``metrics.csv`` of all seeds: ``seed``, ``epoch`` (from 0), and each metric for train and test."""
    tables = []
    for seed, splits in _results()["seeds"].items():
        columns: dict[str, Any] = {"seed": int(seed), "epoch": range(len(splits["test"]["loss"]))}
        for split, facts in splits.items():
            losses = zip(*facts["loss"], strict=True)
            columns |= {f"{split}_{name}": values for name, values in zip(_LOSSES, losses, strict=True)}
            columns[f"{split}_balanced_accuracy"] = facts["balanced_accuracy"]
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def published_win_rates() -> pd.DataFrame:
    """A row a ``split``, ``label`` (classes and "overall"), ``method`` and ``seed``, with ``win_rate`` in [0, 1]."""
    rows = [
        {"split": split, "label": label, "method": method, "seed": int(seed), "win_rate": rate}
        for seed, splits in _results()["seeds"].items()
        for split, facts in splits.items()
        for label, rates in facts["win_rate"].items()
        for method, rate in rates.items()
    ]
    return pd.DataFrame(rows)


def leaves_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a configuration by dotted key, those of the methods too; ``data.synthetic`` is one value."""
    leaves = dict(flatten(config))
    leaves["data.synthetic"] = config["data"].get("synthetic")
    leaves |= flatten(config["attribution"]["methods"], "attribution.methods.")
    return leaves


def as_text(value: object) -> str:
    """A value as a person writes it in YAML."""
    if isinstance(value, Mapping):
        return "set"
    if isinstance(value, float):
        return f"{value:g}"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _not_comparable(ruled_out: Sequence[str], measures: Sequence[str], word: str) -> str:
    if len(ruled_out) == len(measures):
        return f"Not comparable ({word})"
    return f"{in_words([measure.replace('_', ' ') for measure in ruled_out]).capitalize()} not comparable ({word})"


@cache
def _results() -> dict[str, Any]:
    text = resources.files("xairank.tables").joinpath("published_results.json").read_text(encoding="utf-8")
    return json.loads(text)
