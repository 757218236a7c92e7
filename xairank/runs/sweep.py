"""Reads a sweep, a folder of finished runs, into a few tables: what tables, figures and the report start from.

Runs that differ only in seed and fold belong to one group; whatever else the sweep varies names the group.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet
import yaml

from xairank.config import flatten
from xairank.errors import UserError
from xairank.runs.folder import FORMAT, NOT_IDENTITY

logger = logging.getLogger(__name__)

ABSENT = "absent"  # shown for a key that only other runs of the sweep have

_SAMPLE_COLUMNS = ("seed", "fold", "split", "sample", "label", "predicted")
SCORE_COLUMNS = (*_SAMPLE_COLUMNS, "probability", "k", "n_pixels", "method", "topk_overlap", "topk_iou")
_NUMBERS = {
    **dict.fromkeys(("seed", "k", "n_pixels"), "int64"),
    "fold": "Int64",
    **dict.fromkeys(("probability", "topk_overlap", "topk_iou"), "float64"),
}
EXCLUDED_COLUMNS = (*_SAMPLE_COLUMNS, "reason")
METRICS = ("loss", "classification_loss", "mask_loss", "balanced_accuracy")
METRIC_COLUMNS = ("epoch", *(f"{split}_{metric}" for split in ("train", "test") for metric in METRICS))
# Seed and fold are what a group repeats over; the rest says where, how fast and what is kept, never what results.
_NOT_VARYING = ("seed", "data.fold", *NOT_IDENTITY, "trainer.accelerator")


@dataclass(frozen=True)
class Sweep:
    """The finished runs of a sweep, ordered by group, seed and fold.

    Attributes:
        folder: ``multirun/<name>``.
        scores: All ``scores.parquet``, with the column ``group``: what the run varies besides seed and fold, such as
            "model.beta=0", or an empty text where nothing varies.
        metrics: All ``metrics.csv``, with ``seed``, ``fold`` and ``group``.
        excluded: All ``excluded.csv``, with ``group``.
        runs: A row a run: ``folder``, ``seed``, ``fold``, ``group``, the resolved configuration as nested mappings
            in ``config``, the content of ``run.json`` in ``info``.
    """

    folder: Path
    scores: pd.DataFrame
    metrics: pd.DataFrame
    excluded: pd.DataFrame
    runs: pd.DataFrame

    @property
    def groups(self) -> list[str]:
        """The groups, in order."""
        return list(dict.fromkeys(self.runs["group"]))


def read_sweep(folder: Path) -> Sweep:
    """Reads the complete runs of a sweep; a warning names those that are not complete.

    Args:
        folder: ``multirun/<name>``.

    Raises:
        UserError: The folder is missing or holds no complete run, a run's files are missing or of another version, or
            two runs have the same configuration, seed and fold.
    """
    runs = _in_order([_read_run(path, info) for path, info in _complete_folders(folder).items()])
    table = pd.DataFrame(runs, columns=["folder", "seed", "fold", "group", "config", "info"])
    table["fold"] = table["fold"].astype("Int64")
    return Sweep(folder, _read_scores(runs), _read_metrics(runs), _read_excluded(runs), table)


class _Run(NamedTuple):
    folder: Path
    seed: int
    fold: int | None
    group: str
    config: dict[str, Any]
    info: dict[str, Any]


def _complete_folders(folder: Path) -> dict[Path, dict[str, Any]]:
    """The folders of complete runs, with what their ``run.json`` says."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such sweep; {_known_sweeps(folder.parent)}")
    candidates = sorted({path.parent for name in ("config.yaml", "run.json") for path in folder.glob(f"*/{name}")})
    information = {path: _read_information(path / "run.json") for path in candidates}
    complete = {path: some for path, some in information.items() if some.get("status") == "complete"}
    incomplete = [path.name for path in candidates if path not in complete]
    if not complete:
        raise UserError(
            f"{folder}: {len(incomplete)} runs, none of them complete; expected run folders whose run.json says so; "
            f"run python -m xairank.train name={folder.name} first"
        )
    if incomplete:
        logger.warning(
            "%s: %d of %d runs are not complete and left out: %s; the command that started them resumes them",
            *(folder, len(incomplete), len(candidates), "; ".join(incomplete)),
        )
    return complete


def _read_run(folder: Path, info: dict[str, Any]) -> _Run:
    config = _read_config(folder / "config.yaml")
    return _Run(folder, config["seed"], config["data"].get("fold"), "", config, info)


def _in_order(runs: Sequence[_Run]) -> list[_Run]:
    """The runs with their group, by group, seed and fold."""
    leaves = [_comparable(run.config) for run in runs]
    keys = dict.fromkeys(key for some in leaves for key in some)
    varying = [key for key in keys if len({some.get(key, ABSENT) for some in leaves}) > 1]
    values = [[some.get(key, ABSENT) for key in varying] for some in leaves]
    named = [
        ([_numbers_first(text) for text in texts], run._replace(group=_join_keys(varying, texts)))
        for run, texts in zip(runs, values, strict=True)
    ]
    named.sort(key=lambda pair: (pair[0], pair[1].seed, -1 if pair[1].fold is None else pair[1].fold))
    ordered = [run for _, run in named]
    for run, after in pairwise(ordered):
        if (run.group, run.seed, run.fold) == (after.group, after.seed, after.fold):
            raise UserError(
                f"{run.folder} and {after.folder.name}: the same configuration, seed and fold in two folders, which "
                "would count every image twice; move one of them out of the sweep"
            )
    return ordered


def _known_sweeps(place: Path) -> str:
    known = sorted({path.parents[1].name for path in place.glob("*/*/run.json")})
    if known:
        return f"{place} holds {', '.join(known)}; choose one with name=..."
    return f"{place} holds no sweep yet; python -m xairank.train makes one"


def _read_information(path: Path) -> dict[str, Any]:
    """What ``run.json`` says; nothing where it is not there."""
    try:
        information = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise UserError(f"{path}: not valid JSON; delete the file and run again to make it anew") from None
    if not isinstance(information, dict) or information.get("format", FORMAT) != FORMAT:
        raise UserError(
            f"{path}: not of format {FORMAT}, written by another version of xairank; run again with this one"
        )
    return information


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        if isinstance(config["seed"], int) and isinstance(config["data"], dict):
            return config
    except (yaml.YAMLError, KeyError, TypeError):
        pass
    raise UserError(f"{path}: not a run's configuration (seed and data expected); delete its folder and run again")


def _comparable(config: Mapping[str, Any]) -> dict[str, str]:
    """The leaves of a configuration that determine results, as texts in which 1 and 1.0 are the same."""
    leaves: dict[str, Any] = {}
    for key, value in flatten(config).items():
        if key not in _NOT_VARYING:
            leaves.update(flatten(value, f"{key}.") if isinstance(value, Mapping) else {key: value})
    if leaves.get("model.encoder_weights"):
        leaves["model.encoder_weights"] = PurePath(leaves["model.encoder_weights"]).name
    return {key: _as_text(value) for key, value in leaves.items()}


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


def _read_scores(runs: Sequence[_Run]) -> pd.DataFrame:
    """All scores, read as one data set. A run without a ranked image has no rows, and its file not all columns."""
    paths = [run.folder / "scores.parquet" for run in runs]
    metadata = [_parquet_metadata(path) for path in paths]
    counts = np.array([some.num_rows for some in metadata])
    schemas = {path: some.schema.to_arrow_schema() for path, some in zip(paths, metadata, strict=True) if some.num_rows}
    if not schemas:
        types = {**dict.fromkeys(SCORE_COLUMNS, "object"), **_NUMBERS, "group": "object"}
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in types.items()})
    for path, schema in schemas.items():
        _check_columns(path, schema.names, SCORE_COLUMNS)
    schema = pa.unify_schemas([schema.remove_metadata() for schema in schemas.values()], promote_options="permissive")
    files = [str(path) for path in schemas]
    scores = pyarrow.dataset.dataset(files, schema=schema, format="parquet").to_table().to_pandas()
    return scores.assign(fold=scores["fold"].astype("Int64"), group=np.repeat([run.group for run in runs], counts))


def _parquet_metadata(path: Path) -> pyarrow.parquet.FileMetaData:
    try:
        return pyarrow.parquet.read_metadata(path)
    except FileNotFoundError:
        raise _missing_file(path) from None
    except pa.ArrowInvalid:
        raise UserError(f"{path}: not a Parquet file; delete it and its run's run.json, and run again") from None


def _read_metrics(runs: Sequence[_Run]) -> pd.DataFrame:
    tables = [_read_csv(run.folder / "metrics.csv", METRIC_COLUMNS) for run in runs]
    rows = [run for run, table in zip(runs, tables, strict=True) for _ in range(len(table))]
    folds = pd.array([run.fold for run in rows], dtype="Int64")
    return _joined(tables).assign(seed=[run.seed for run in rows], fold=folds, group=[run.group for run in rows])


def _read_excluded(runs: Sequence[_Run]) -> pd.DataFrame:
    tables = [_read_csv(run.folder / "excluded.csv", EXCLUDED_COLUMNS) for run in runs]
    excluded = _joined(tables)
    groups = np.repeat([run.group for run in runs], [len(table) for table in tables])
    return excluded.assign(fold=excluded["fold"].astype("Int64"), group=groups)


def _joined(tables: Sequence[pa.Table]) -> pd.DataFrame:
    return pa.concat_tables(tables, promote_options="permissive").to_pandas()


def _read_csv(path: Path, columns: Sequence[str]) -> pa.Table:
    texts = dict.fromkeys((*_SAMPLE_COLUMNS, "reason"), pa.string())
    types = {**texts, "seed": pa.int64(), "fold": pa.int64()}
    # A class may be called "None" or "NA"; only an empty field is missing.
    options = pyarrow.csv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=False)
    try:
        table = pyarrow.csv.read_csv(path, convert_options=options)
    except FileNotFoundError:
        raise _missing_file(path) from None
    except pa.ArrowInvalid:
        raise UserError(f"{path}: not a table; delete it and its run's run.json, and run again") from None
    _check_columns(path, table.column_names, columns)
    return table


def _missing_file(path: Path) -> UserError:
    return UserError(f"{path}: not found, although run.json calls the run complete; delete run.json and run again")


def _check_columns(path: Path, found: Iterable[str], expected: Iterable[str]) -> None:
    names = list(found)
    missing = [name for name in expected if name not in names]
    if missing:
        raise UserError(
            f"{path}: no column {', '.join(missing)} (found {', '.join(names)}); written by another version of "
            "xairank; run again with this one"
        )
