"""Where a data set is, and the one table of samples that every layout becomes."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from xairank.data.faults import Faults
from xairank.data.folder import index_folders
from xairank.data.mvtec import index_category
from xairank.data.table import index_table
from xairank.files import expand_user
from xairank.schema import GOOD

PLACES = ("root", "table", "images", "masks")


@dataclass(frozen=True)
class Source:
    """What the data is called and where it is: ``root``, ``table``, or ``images`` with ``masks``.

    ``category`` is the data's identity: runs with the same category are runs on the same data, wherever it is.

    Attributes:
        category: The name of the data; with ``root``, also of its folder there.
        root: The folder of categories in MVTec AD layout.
        table: A table, see :func:`xairank.data.table.index_table`.
        images: A folder of images, see :func:`xairank.data.folder.index_folders`.
        masks: Its folder of masks.
    """

    category: str
    root: Path | None = None
    table: Path | None = None
    images: Path | None = None
    masks: Path | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> "Source":
        """Takes the keys of ``data`` that say where it is."""
        given = {key: options[key] for key in PLACES if options.get(key)}
        return cls(options["category"], **{key: expand_user(place) for key, place in given.items()})

    def check_command(self, **options: object) -> str:
        """The command that lists every fault of this data, with further options of ``data`` that are not None."""
        given = [f"{key}={value}" for key, value in {**asdict(self), **options}.items() if value is not None]
        return shlex.join(["python", "-m", "xairank.data", "check", *given])

    @property
    def place(self) -> Path:
        """The folder or table that holds the data as a whole."""
        place = self.root / self.category if self.root else self.table or self.images
        assert place is not None
        return place


def index_samples(source: Source, faults: Faults, *, least_classes: int = 2) -> pd.DataFrame:
    """Lists the samples of a data set in any layout.

    Args:
        source: Where the data is.
        faults: Takes what is wrong with single files.
        least_classes: How many classes there must be: two to train, one to rank.

    Returns:
        A row a sample, sorted by key: ``sample`` (its key), ``label``, ``image`` (Path), ``mask`` (Path; None for
        images of class ``good``), and ``split`` where the data has it.

    Raises:
        UserError: There is no such data. Whatever is wrong with single files goes to ``faults``.
    """
    if source.table:
        table = index_table(source.table, faults)
    elif source.images and source.masks:
        table = index_folders(source.images, source.masks, faults)
    else:
        assert source.root is not None
        table = index_category(source.root, source.category, faults)
    _check_classes(source.place, set(table["label"]), least_classes, faults)
    return table.sort_values("sample", ignore_index=True)


def _check_classes(place: Path, classes: set[str], least: int, faults: Faults) -> None:
    if not classes:
        number = "two classes" if least > 1 else "one class"
        faults.add(f"{place}: no images; expected images of at least {number}, one of them a class of defects")
    elif classes == {GOOD}:
        faults.add(f"{place}: no defect class, only {GOOD}; add images with masks of a class of defects")
    elif len(classes) < least:
        faults.add(f"{place}: only the class {min(classes)}; a classifier needs at least two classes; add another")
