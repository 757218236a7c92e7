"""Our values with the published ones beneath, and the differences or why there are none."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from xairank.tables.published import Comparability
from xairank.tables.table import MISSING, mean_and_std

Cell = Mapping[Any, Any] | None
PUBLISHED, DIFFERENCE = BENEATH = ("published", "difference")  # rows that stand beneath ours


def beside(
    found: pd.DataFrame, published: pd.DataFrame, keys: list[str], compared: Mapping[str, Comparability]
) -> pd.DataFrame:
    """Adds the published value of each cell, and the difference or why there is none.

    Args:
        found: Our cells, with ``group``, ``metric``, ``mean`` and ``keys``.
        published: The published cells.
        keys: What a cell is found by.
        compared: By group, of those whose data is that of the published runs; no column is added where there is none.
    """
    if not compared:
        return found
    known = published.rename(columns={"mean": "published_mean", "std": "published_std"})
    table = found.merge(known[[*keys, "published_mean", "published_std"]], how="left", on=keys)
    elsewhere = ~table["group"].isin(compared)
    table.loc[elsewhere, ["published_mean", "published_std"]] = math.nan
    words = [
        None if math.isnan(mean) else compared[group].words.get(metric)
        for group, metric, mean in zip(table["group"], table["metric"], table["published_mean"], strict=True)
    ]
    table["not_comparable"] = pd.Series(words, dtype="object")
    table["difference"] = (table["mean"] - table["published_mean"]).where(table["not_comparable"].isna())
    return table


def is_compared(table: pd.DataFrame) -> bool:
    """Whether any difference is shown."""
    return "difference" in table and bool(table["difference"].notna().any())


def by_keys(table: pd.DataFrame, *keys: str) -> dict[tuple[str, ...], dict[Hashable, Any]]:
    """The rows as mappings, by some of their values."""
    return {tuple(row[key] for key in keys): row for row in table.to_dict("records")}


def rows_of(label: str, cells: Sequence[Cell], tail: list[str], *, best: bool = False) -> list[list[str]]:
    """Our values; beneath, where there is any, the published ones and the differences.

    Args:
        label: Of the row.
        cells: Of :func:`beside`; None where there is no value.
        tail: What stands behind the values and the number of seeds.
        best: Whether the largest value is bold.
    """
    shown = [None if cell is None else round(cell["mean"], 4) for cell in cells]
    largest = max((value for value in shown if value is not None), default=None)
    bold = [best and value == largest and len(set(shown)) > 1 for value in shown]
    ours = [
        MISSING if cell is None else mean_and_std(cell["mean"], _spread(cell), bold=strong)
        for cell, strong in zip(cells, bold, strict=True)
    ]
    n_seeds = max((cell["n_seeds"] for cell in cells if cell is not None), default=0)
    rows = [[label, *ours, str(n_seeds), *tail]]
    if any(_has_published(cell) for cell in cells):
        empty = [""] * (1 + len(tail))
        rows.append([PUBLISHED, *map(_published, cells), *empty])
        rows.append([DIFFERENCE, *map(_difference, cells), *empty])
    return rows


def _has_published(cell: Cell) -> bool:
    return cell is not None and not math.isnan(cell.get("published_mean", math.nan))


def _spread(cell: Mapping[Any, Any]) -> float:
    """The deviation over seeds; one seed has none."""
    return cell["std"] if cell["n_seeds"] > 1 else math.nan


def _published(cell: Cell) -> str:
    return MISSING if cell is None else mean_and_std(cell["published_mean"], cell["published_std"])


def _difference(cell: Cell) -> str:
    if cell is None or not _has_published(cell):
        return MISSING
    word = cell["not_comparable"]
    return word if isinstance(word, str) else f"{cell['difference']:+.4f}"
