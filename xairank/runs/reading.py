"""Reads the files of complete runs, many runs at once, and says which file is not as it should be."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet
import yaml

from xairank.errors import UserError
from xairank.runs.folder import FORMAT
from xairank.runs.grouping import Run, is_ranked_only
from xairank.schema import (
    EXCLUDED_COLUMNS,
    METRIC_COLUMNS,
    SAMPLE_COLUMNS,
    SCORE_COLUMNS,
    VARIANT_COLUMNS,
    measure_facts,
    metric_facts,
)

_NUMBERS = {**dict.fromkeys(("seed", "k", "n_pixels"), "int64"), "fold": "Int64", "probability": "float64"}


def read_information(path: Path) -> dict[str, Any]:
    """What ``run.json`` says; nothing where it is not there.

    Raises:
        UserError: It is not JSON or of another version.
    """
    try:
        information = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise UserError(f"{path}: not valid JSON; delete the file and run again to make it again") from None
    if not isinstance(information, dict) or information.get("format", FORMAT) != FORMAT:
        raise UserError(
            f"{path}: not of format {FORMAT}, written by another version of xairank; run again with this one"
        )
    return information


def read_run(folder: Path, info: dict[str, Any]) -> Run:
    """A run without a group.

    Raises:
        UserError: Its configuration or record is not that of a run.
    """
    config = _read_config(folder / "config.yaml")
    missing = [key for key in ("methods", "metrics") if not isinstance(info.get(key), dict)]
    metric = config["ranking"]["metric"]
    if missing or metric not in info["metrics"]:
        found = f"no {' and no '.join(missing)}" if missing else f"no metric {metric}, which ranking.metric names"
        raise UserError(f"{folder / 'run.json'}: {found}; delete the file and run again to make it again")
    return Run(folder, config["seed"], config["data"].get("fold"), "", config, info)


def read_scores(runs: Sequence[Run]) -> pd.DataFrame:
    """All scores, read as one data set. A run without a ranked image has no rows, and its file not all columns."""
    paths = [run.folder / "scores.parquet" for run in runs]
    metadata = [parquet_metadata(path) for path in paths]
    counts = np.array([some.num_rows for some in metadata])
    schemas = {path: some.schema.to_arrow_schema() for path, some in zip(paths, metadata, strict=True) if some.num_rows}
    if not schemas:
        metrics = {metric: "float64" for run in runs for metric in metric_facts(run.info)}
        types = {**dict.fromkeys(SCORE_COLUMNS, "object"), **_NUMBERS, **metrics, "group": "object"}
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in types.items()})
    for run, path in zip(runs, paths, strict=True):
        if path in schemas:
            measured = [column for facts in measure_facts(run.info).values() for column in facts.columns]
            _check_columns(path, schemas[path].names, (*SCORE_COLUMNS, *metric_facts(run.info), *measured))
    schema = pa.unify_schemas([schema.remove_metadata() for schema in schemas.values()], promote_options="permissive")
    files = [str(path) for path in schemas]
    scores = pyarrow.dataset.dataset(files, schema=schema, format="parquet").to_table().to_pandas()
    return scores.assign(
        seed=np.repeat([run.seed for run in runs], counts),  # of networks that exist, their number
        fold=scores["fold"].astype("Int64"),
        group=np.repeat([run.group for run in runs], counts),
    )


def read_variants(folders: Sequence[Path], seeds: Sequence[int]) -> pd.DataFrame:
    """All ``variants.parquet`` of runs that have one, with their numbers as seeds.

    Raises:
        UserError: One cannot be read, or is of another version.
    """
    tables = []
    for folder, seed in zip(folders, seeds, strict=True):
        path = folder / "variants.parquet"
        if path.is_file():
            names = parquet_metadata(path).schema.to_arrow_schema().names
            if names:
                _check_columns(path, names, (*SAMPLE_COLUMNS, "method", *VARIANT_COLUMNS))
            tables.append(pd.read_parquet(path).assign(seed=seed))
    known = [table for table in tables if len(table)]
    return pd.concat(known, ignore_index=True) if known else pd.DataFrame(columns=[*SCORE_COLUMNS, *VARIANT_COLUMNS])


def read_metrics(runs: Sequence[Run]) -> pd.DataFrame:
    """All ``metrics.csv``, with ``seed``, ``fold`` and ``group``; networks that exist have none."""
    runs = [run for run in runs if not is_ranked_only(run.config)]
    if not runs:
        return pd.DataFrame(columns=[*METRIC_COLUMNS, "seed", "fold", "group"])
    tables = [_read_csv(run.folder / "metrics.csv", METRIC_COLUMNS) for run in runs]
    rows = [run for run, table in zip(runs, tables, strict=True) for _ in range(len(table))]
    folds = pd.array([run.fold for run in rows], dtype="Int64")
    return _joined(tables).assign(seed=[run.seed for run in rows], fold=folds, group=[run.group for run in rows])


def read_excluded(runs: Sequence[Run]) -> pd.DataFrame:
    """All ``excluded.csv``, with ``group``."""
    tables = [_read_csv(run.folder / "excluded.csv", EXCLUDED_COLUMNS) for run in runs]
    excluded, counts = _joined(tables), [len(table) for table in tables]
    return excluded.assign(
        seed=np.repeat([run.seed for run in runs], counts),
        fold=excluded["fold"].astype("Int64"),
        group=np.repeat([run.group for run in runs], counts),
    )


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        if isinstance(config["seed"], int) and isinstance(config["data"], dict) and config["ranking"]["metric"]:
            return config
    except (yaml.YAMLError, KeyError, TypeError):
        pass
    raise UserError(
        f"{path}: not a run's configuration (expected seed, data and ranking.metric); delete its folder and run again"
    )


def parquet_metadata(path: Path) -> pyarrow.parquet.FileMetaData:
    """What a table says of itself, at its end, so that it is there to its end.

    Raises:
        UserError: It is not there, or not whole.
    """
    try:
        return pyarrow.parquet.read_metadata(path)
    except FileNotFoundError:
        raise _missing_file(path) from None
    except pa.ArrowInvalid:
        raise UserError(f"{path}: not a Parquet file; delete it and its run's run.json, and run again") from None


def _joined(tables: Sequence[pa.Table]) -> pd.DataFrame:
    return pa.concat_tables(tables, promote_options="permissive").to_pandas()


def _read_csv(path: Path, columns: Sequence[str]) -> pa.Table:
    texts = dict.fromkeys(EXCLUDED_COLUMNS, pa.string())
    numbers = dict.fromkeys(METRIC_COLUMNS[1:], pa.float64())  # a column may be empty
    types = {**texts, **numbers, "seed": pa.int64(), "fold": pa.int64()}
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
