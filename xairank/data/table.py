"""A CSV or Parquet table of images, masks and labels -> one table of samples."""

import os
from collections.abc import Hashable
from pathlib import Path

import pandas as pd
from pyarrow import ArrowInvalid

from xairank.data.faults import Faults
from xairank.data.labels import check_labels
from xairank.errors import UserError
from xairank.schema import GOOD, SPLITS, TRAIN

COLUMNS = ("image", "mask", "label")


def index_table(path: Path, faults: Faults) -> pd.DataFrame:
    """Lists the samples of a table with the columns ``image``, ``mask``, ``label`` and, optionally, ``split``.

    Paths are relative to the table. ``mask`` is empty where ``label`` is ``good``, and only there. ``split`` is
    ``train`` or ``test`` in every row. Other columns are not read. A sample's key is its image as the table names it.

    Returns:
        A row a sample, as :func:`xairank.data.mvtec.index_category`; with ``split`` where the table has it.

    Raises:
        UserError: The table is missing, unreadable, without rows or without one of the columns.
    """
    given = _read(path).rename(columns=lambda name: str(name).strip())
    missing = [column for column in COLUMNS if column not in given]
    if missing:
        there = ", ".join(map(str, given.columns))
        if len(given.columns) == 1 and ";" in there:
            raise UserError(f"{path}: its columns are separated by ';'; save it with commas")
        raise UserError(
            f"{path}: has no column {' and no '.join(missing)}, only {there}; expected {', '.join(COLUMNS)}"
        )
    columns = [*COLUMNS, "split"] if "split" in given else [*COLUMNS]
    given = given[columns].apply(_text)
    if given.empty:
        raise UserError(f"{path}: has no rows; expected a row for each image")
    rows: dict[str, dict[str, object]] = {}
    seen: set[str] = set()
    first_rows: dict[str, str] = {}
    # In a spreadsheet the header is row 1.
    for number, values in enumerate(given.to_dict("records"), start=2):
        row = _row(f"{path}, row {number}", path.parent, values, faults)
        if values["label"]:
            first_rows.setdefault(values["label"], f"{path}, row {number}")
        image = os.path.normpath(values["image"])
        if image in seen:
            faults.add(f"{path}, row {number}: lists {values['image']} again; keep one row for each image")
        elif row:
            seen.add(image)
            rows[values["image"]] = row
    check_labels(first_rows, faults)
    return pd.DataFrame(rows.values(), columns=["sample", "label", "image", "mask", *columns[3:]])


def _read(path: Path) -> pd.DataFrame:
    if path.is_dir():
        raise UserError(f"{path}: is a folder; expected a table, .csv or .parquet, or data.images and data.masks")
    if not path.exists():
        raise UserError(f"{path}: no such file; expected a table, .csv or .parquet; set data.table to it")
    try:
        if path.suffix.lower() == ".csv":
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
            if not isinstance(table.index, pd.RangeIndex):  # pandas takes surplus values as names of the rows
                raise ValueError("its rows have more values than its header")
            return table
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
    except (OSError, ValueError, ArrowInvalid) as error:  # pandas' own errors are ValueErrors
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: cannot be read as a table ({reason}); save it again, text in UTF-8") from None
    raise UserError(f"{path}: is not a table; expected .csv or .parquet")


def _text(column: pd.Series) -> pd.Series:
    """Missing values of Parquet count as empty; paths and labels are text whatever type they came with."""
    return column.astype(object).where(column.notna(), "").astype(str).str.strip()


def _row(where: str, folder: Path, values: dict[Hashable, str], faults: Faults) -> dict[str, object] | None:
    """The sample of a row; None, with a fault, where there is no image to read."""
    label, image, mask = values["label"], values["image"], values["mask"]
    if not image:
        faults.add(f"{where}: names no image; fill in the column image or remove the row")
        return None
    if not label:
        faults.add(f"{where}: {image} has no label; expected its class, {GOOD} for an image without defect")
    elif label == GOOD and mask:
        faults.add(f"{where}: {image} is {GOOD} but has the mask {mask}; leave mask empty or change the label")
    elif label != GOOD and not mask:
        faults.add(f"{where}: {image} is of class {label} but has no mask; add one, or label it {GOOD}")
    if values.get("split", TRAIN) not in SPLITS:
        faults.add(
            f"{where}: split is {values['split'] or 'empty'}; expected {' or '.join(SPLITS)} in every row, or no column"
        )
    for column, name in (("image", image), ("mask", mask)):
        if name and not (folder / name).is_file():
            reason = "is a folder" if (folder / name).is_dir() else "does not exist"
            faults.add(f"{where}: {column} {folder / name} {reason}; expected a file, relative to the table")
            if column == "image":
                return None
    exists = mask and (folder / mask).is_file()
    row = {"sample": image, "label": label, "image": folder / image, "mask": folder / mask if exists else None}
    return row | ({"split": values["split"]} if "split" in values else {})
