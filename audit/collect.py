"""Gathers what the runs of the grid found into a few small tables, from which the document is made.

    python -m audit.collect          # adds the runs of multirun/ that audit/results/ lacks
    python -m audit.collect --anew   # the runs of multirun/ alone

Numbers only: no image, no mask, no map.
"""

import argparse
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from audit.grid import PREFIX, Cell, grid
from xairank.console import command, print_line
from xairank.errors import UserError
from xairank.files import atomic
from xairank.runs.reading import read_variants
from xairank.runs.sweep import Sweep, read_sweep
from xairank.schema import RANDOMISED, metric_facts

RESULTS = Path(__file__).with_name("results")
KEYS = ["data", "switch", "seed", "fold", "sample"]
# A table a kind. What all methods of an image share stands once, in images.
TABLES = ("scores", "images", "ladder", "randomised", "excluded", "runs")
_OF_IMAGES = "^(split|case|label|probability|k|n_pixels|components|thinness|reliance.*|.*_chance)$"


@command
def main() -> None:
    """Gathers the results."""
    parser = argparse.ArgumentParser("python -m audit.collect", description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("multirun"), help="of the sweeps (default multirun)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the tables (default audit/results)")
    parser.add_argument("--prefix", default=PREFIX, help=f"of the names of the sweeps (default {PREFIX})")
    parser.add_argument("--anew", action="store_true", help="forget the runs that are gathered already")
    arguments = parser.parse_args()
    tables = collect(arguments.folder, arguments.prefix)
    if not arguments.anew and (arguments.out / "runs.parquet").is_file():
        tables = add_runs(read_results(arguments.out), tables)
    write_results(tables, arguments.out)
    size = sum(path.stat().st_size for path in arguments.out.glob("*.parquet"))
    print_line(f"{arguments.out}: {len(tables['runs'])} runs, {size / 2**20:.1f} MiB")


def collect(folder: Path, prefix: str = PREFIX, cells: Iterable[Cell] | None = None) -> dict[str, pd.DataFrame]:
    """The tables of :data:`TABLES`, of the complete runs.

    Args:
        folder: Of the sweeps.
        prefix: Of their names.
        cells: Of which; by default of all.

    Raises:
        UserError: There is no complete run, or a run's files are not as they should be.
    """
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    for cell in grid() if cells is None else cells:
        place = folder / cell.sweep(prefix)
        if any(place.glob("*/run.json")):
            for name, table in _tables(read_sweep(place)):
                parts[name].append(table.assign(data=cell.data.name, switch=cell.switch))
    if not parts["runs"]:
        raise UserError(f"{folder}: no complete run of the audit; expected {prefix}_hazelnut_base and others; run it")
    return {name: _in_order(_joined(tables)) for name, tables in parts.items() if tables}


def add_runs(known: Mapping[str, pd.DataFrame], found: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The known runs as they are, and those of the found ones that are not among them."""
    run = KEYS[:-1]
    have = pd.MultiIndex.from_frame(known["runs"][run])
    whole = {}
    for name in TABLES:
        new = found.get(name)
        if new is not None:
            new = new[~pd.MultiIndex.from_frame(new[run]).isin(have)]
        parts = [table for table in (known.get(name), new) if table is not None]
        if parts:
            whole[name] = _in_order(_joined(parts))
    return whole


def _tables(sweep: Sweep) -> Iterator[tuple[str, pd.DataFrame]]:
    scores = sweep.scores
    metrics = [name for name in metric_facts(sweep.runs["info"].iloc[0]) if name in scores]
    shared = [str(name) for name in scores if re.search(_OF_IMAGES, str(name))]
    yield "images", scores.drop_duplicates(["seed", "fold", "sample"])[["seed", "fold", "sample", *shared]]
    diagnostics = [name for name in ("completeness_error", "n_steps") if name in scores]
    yield "scores", scores[["seed", "fold", "sample", "method", *metrics, *diagnostics]]
    variants = read_variants(list(sweep.runs["folder"]), list(sweep.runs["seed"]))
    variants = variants.drop(columns=[*shared, "predicted", "chance"], errors="ignore")
    is_randomised = variants["variant"] == RANDOMISED
    for name, table in (("ladder", variants[~is_randomised]), ("randomised", variants[is_randomised])):
        if len(table):
            yield name, table.dropna(axis=1, how="all")
    yield "excluded", sweep.excluded[["seed", "fold", "split", "sample", "case", "label", "predicted", "reason"]]
    yield "runs", _runs(sweep)


def _runs(sweep: Sweep) -> pd.DataFrame:
    """A row a run: how well it learnt, what computed it, and its identity."""
    last = sweep.metrics.groupby(["seed", "fold"], as_index=False).last().drop(columns="group")  # none of ranked ones
    facts = ("identity", "weights", "images", "device", "git_revision", "versions")
    rows = [
        {"seconds": sum(info["seconds"].values())} | {name: str(info.get(name, "")) for name in facts}
        for info in sweep.runs["info"]
    ]
    runs = pd.concat([sweep.runs[["seed", "fold"]].reset_index(drop=True), pd.DataFrame(rows)], axis=1)
    return runs.merge(last, on=["seed", "fold"], how="left", validate="one_to_one")


def _joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table; where all folds were tested at once, the fold is -1."""
    whole = pa.concat_tables(
        [pa.Table.from_pandas(table, preserve_index=False) for table in tables], promote_options="permissive"
    ).to_pandas()
    return whole.assign(fold=whole["fold"].fillna(-1).astype("int64"))


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    first = [name for name in (*KEYS, "method", "variant", "level") if name in table]
    return table[[*first, *(name for name in table if name not in first)]].sort_values(first, ignore_index=True)


def write_results(tables: dict[str, pd.DataFrame], folder: Path) -> None:
    """Writes each table as small as it gets: single precision, words by number."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        small = table.astype({column: _small(table[column]) for column in table})
        with atomic(folder / f"{name}.parquet") as temporary:
            whole = pa.Table.from_pandas(small, preserve_index=False).replace_schema_metadata(None)
            pyarrow.parquet.write_table(whole, temporary, compression="zstd", compression_level=19)


def _small(column: pd.Series) -> str:
    if pd.api.types.is_float_dtype(column):
        return "float32"
    if pd.api.types.is_integer_dtype(column):
        return "int32"
    return "bool" if pd.api.types.is_bool_dtype(column) else "category"


def read_results(folder: Path = RESULTS, tables: Sequence[str] = TABLES) -> dict[str, pd.DataFrame]:
    """The tables that :func:`write_results` wrote, words as plain texts.

    Raises:
        UserError: There are none.
    """
    found = {name: folder / f"{name}.parquet" for name in tables if (folder / f"{name}.parquet").is_file()}
    if "runs" not in found:
        raise UserError(f"{folder}: no results of the audit; run python -m audit, or python -m audit.collect")
    return {name: _plain(pa.parquet.read_table(path).to_pandas()) for name, path in found.items()}


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    words = [name for name in table if isinstance(table[name].dtype, pd.CategoricalDtype)]
    return table.astype(dict.fromkeys(words, "object"))


if __name__ == "__main__":
    main()
