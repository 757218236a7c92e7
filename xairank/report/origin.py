"""Where the numbers of a report come from: what ran, on what, with which versions, and what was left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import yaml

from xairank.names import count, display_name, in_words
from xairank.report.command import command_for
from xairank.runs.group import Group
from xairank.schema import SPLITS
from xairank.tables.groups import Rows, in_blocks
from xairank.tables.table import MISSING, Table

_LISTED = 3  # values that a cell has room for
# Keys of run.json, with what they are; in order.
_RECORDED = {
    "images": "Hash of images and masks",
    "data": "Hash of images, masks and split",
    "encoder": "Hash of the pretrained weights",
    "weights": "Weights the run starts from",
    "network": "Network",
    "git_revision": "Revision of xairank",
    "platform": "System",
    "device": "Device",
    "threads": "Threads",
    "kernels": "Compiled kernels",
    "batch_limit": "Images at once",
    "left_out": "Methods left out",
}


@dataclass(frozen=True)
class Origin:
    """How a group of runs was made.

    Attributes:
        name: Of the group.
        command: That makes it again; empty where none is known.
        configuration: Of the first run, as YAML.
    """

    name: str
    command: str
    configuration: str


def origins(groups: Sequence[Group]) -> list[Origin]:
    """How each group was made."""
    return [
        Origin(group.name, command_for(group), yaml.safe_dump(group.config, sort_keys=False, allow_unicode=True))
        for group in groups
    ]


def origin_table(groups: Sequence[Group]) -> Table:
    """What the runs record of themselves; of several values, a few."""
    blocks = [(group.name, _rows(group)) for group in groups]
    data = [[name, *row] for name, rows in blocks for row in rows]
    return Table(
        "origin",
        "What ran, on what, with which versions",
        pd.DataFrame(data, columns=["group", "what", "value"]),
        ["What", "Value"],
        in_blocks(blocks),
        ["Hashes are SHA-256; config.yaml and run.json in each run's folder have all of it."],
        n_text=2,
    )


def excluded_table(groups: Sequence[Group]) -> Table:
    """How many images were not ranked, by reason and class."""
    keys = ["split", "reason", "label"]
    tables, blocks = [], []
    for group in groups:
        pairs = group.excluded.groupby(keys, sort=True)["sample"].agg(n_images="nunique", n_pairs="size").reset_index()
        pairs = pairs.sort_values("split", key=lambda splits: splits.map(list(SPLITS).index), kind="stable")
        tables.append(pairs.assign(group=group.name))
        rows: Rows = [
            [
                SPLITS[row["split"]],
                _words(row["reason"]),
                display_name(row["label"]),
                str(row["n_images"]),
                str(row["n_pairs"]),
            ]
            for row in pairs.to_dict("records")
        ]
        blocks.append((group.name, rows))
    return Table(
        "excluded",
        "Images that are not ranked, by reason",
        pd.concat(tables),
        ["Split", "Reason", "Class", "Images", "Pairs"],
        in_blocks(blocks),
        [
            "Pairs: of an image and a run. Good images have no defect to point at.",
            "excluded.csv in each run's folder names them.",
        ],
        n_text=3,
    )


def _rows(group: Group) -> Rows:
    records = list(group.runs["info"])
    rows = [["Runs", f"{count(len(records), 'run')}: {group.seeds}"], ["Data", str(group.config["data"]["category"])]]
    rows += [[label, _several(record.get(key) for record in records)] for key, label in _RECORDED.items()]
    names = dict.fromkeys(name for record in records for name in record.get("versions") or {})
    rows += [
        [f"Version of {name}", _several((record.get("versions") or {}).get(name) for record in records)]
        for name in names
    ]
    rows.append(["Time taken", _time(records)])
    return [row for row in rows if row[1] != MISSING]


def _several(values: Any) -> str:  # noqa: ANN401
    """Different values of the runs, a few of them."""
    shown = [in_words(value) if isinstance(value, list) else str(value) for value in values if value not in (None, [])]
    different = list(dict.fromkeys(shown))
    if not different:
        return MISSING
    more = [f"{len(different) - _LISTED} more"] if len(different) > _LISTED else []
    return in_words([*different[:_LISTED], *more])


def _time(records: Sequence[Mapping[str, Any]]) -> str:
    """Of all runs, by what took it."""
    seconds: dict[str, float] = {}
    for record in records:
        for phase, taken in (record.get("seconds") or {}).items():
            seconds[phase] = seconds.get(phase, 0.0) + float(taken)
    return ", ".join(f"{phase} {taken / 60:.1f} min" for phase, taken in seconds.items()) or MISSING


def _words(reason: str) -> str:
    return display_name(str(reason))
