"""What a model predicted of each image, as a table that another tool wrote."""

from collections.abc import Collection, Iterable
from pathlib import Path

import pandas as pd

from xairank.data.files import without_image_suffix
from xairank.data.map_files import names_of
from xairank.errors import UserError

COLUMNS = ("image", "predicted", "probability")


def read_predictions(path: Path, samples: pd.Series, needed: Collection[str] | None = None) -> pd.DataFrame:
    """Reads a table of predictions.

    Args:
        path: A CSV file with the columns ``image``, ``predicted`` and, if wanted, ``probability`` in [0, 1] of the
            predicted class. An image is named as its map would be.
        samples: Keys of all samples.
        needed: Keys of those that need a row; all by default.

    Returns:
        A row a sample, in the order of ``samples``: ``predicted``, empty where there is no row, and ``probability``,
        NaN where it is not known.

    Raises:
        UserError: The table cannot be read, a row names no image or an image again, or an image has no row.
    """
    table = _read(path)
    names = names_of(samples)
    found: dict[str, tuple[str, float]] = {}
    for number, row in enumerate(table.to_dict("records"), start=2):
        name = str(row["image"])
        key = name if name in names else without_image_suffix(name)
        if key not in names:
            raise UserError(f"{path}, row {number}: {name} is no image of the data; name it as {samples.iloc[0]}")
        if names[key] in found:
            raise UserError(f"{path}, row {number}: {name} again; keep one row for each image")
        found[names[key]] = (str(row["predicted"]).strip(), _probability(path, number, row.get("probability", "")))
    wanted = set(samples) if needed is None else needed
    missing = [sample for sample in samples if sample in wanted and sample not in found]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UserError(f"{path}: no row for {missing[0]}{more}; every defect needs its predicted class")
    unknown = ("", float("nan"))
    return pd.DataFrame([found.get(sample, unknown) for sample in samples], columns=["predicted", "probability"])


def misnamed_class(predicted: Iterable[str], classes: Collection[str]) -> str | None:
    """A predicted class that is one of the data under another name: its number, or in other letters; None without one.

    A model may know classes that the data has no image of, so that any other name is allowed.

    Example:
        >>> misnamed_class(["hole", "Hole"], ["good", "hole"]), misnamed_class(["2"], ["hole"])
        ('Hole', '2')
        >>> misnamed_class(["hole", "scratch", ""], ["good", "hole"])
    """
    known = {name.casefold() for name in classes}
    numbers = any(name.isdigit() for name in classes)
    for name in predicted:
        if name not in classes and (name.casefold() in known or (name.isdigit() and not numbers)):
            return name
    return None


def _read(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; expected a table of predictions, .csv") from None
    except (OSError, ValueError) as error:  # pandas' own errors are ValueErrors
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: cannot be read as a table ({reason}); save it as CSV, text in UTF-8") from None
    missing = [name for name in COLUMNS[:2] if name not in table]
    if missing:
        raise UserError(
            f"{path}: no column {' and '.join(missing)} (found {', '.join(map(str, table))}); expected image, "
            "predicted and, if known, probability"
        )
    return table


def _probability(path: Path, row: int, text: str) -> float:
    if not text:
        return float("nan")
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 1:
        raise UserError(f"{path}, row {row}: probability is {text}; expected a number from 0 to 1, or nothing")
    return value
