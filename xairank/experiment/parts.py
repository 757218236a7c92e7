"""The parts of a run that are explained already, on disk, so that a resumed run continues after the last one."""

import shutil
import zipfile
from functools import partial
from itertools import takewhile
from pathlib import Path

import pandas as pd
import pyarrow
import pyarrow.parquet

from xairank.experiment.scoring import Scored
from xairank.files import atomic
from xairank.runs.folder import RunFolder
from xairank.runs.maps import Maps, join_maps, write_maps


class Parts:
    """The parts that are explained, in ``explained/`` of a run folder.

    Parts of another model, and parts without the maps that are wanted, are deleted.

    Args:
        folder: The run folder.
        model: A hash of the model.
        with_maps: Whether maps are kept.
    """

    def __init__(self, folder: RunFolder, model: str, *, with_maps: bool) -> None:
        self._place = folder.parts
        self._folder = self._place / model[:16]
        found = self._tables()
        if not found or (with_maps and not all(path.with_suffix(".npz").is_file() for path in found)):
            self.delete()
        whole = list(takewhile(partial(_is_whole, with_maps=with_maps), found))
        for path in found[len(whole) :]:  # also those after it, so that what is left is batched as it was
            path.unlink(missing_ok=True)

    def samples(self) -> set[str]:
        """What is done."""
        return {sample for path in self._tables() for sample in pd.read_parquet(path, columns=["sample"])["sample"]}

    def add(self, part: Scored, place: int | None = None) -> None:
        """Writes a part; its table comes last and makes it whole.

        Args:
            part: What to write.
            place: Of its first sample in the order of all, in which parts are read, whoever wrote them when; None
                where they are written in order.
        """
        path = self._folder / f"{len(self._tables()) if place is None else place:06}.parquet"
        if part.maps is not None:
            write_maps(path.with_suffix(".npz"), part.maps, compressed=False)
        with atomic(path) as temporary:
            part.scores.to_parquet(temporary, index=False)

    def scores(self) -> list[pd.DataFrame]:
        """The tables, in order."""
        return [pd.read_parquet(path) for path in self._tables()]

    def write_maps(self, path: Path, none: Maps) -> None:
        """Joins the maps of all parts in ``path``; where there is no part, ``none`` is written."""
        parts = [table.with_suffix(".npz") for table in self._tables()]
        join_maps(path, parts) if parts else write_maps(path, none)

    def delete(self) -> None:
        """Deletes all parts, also those of other checkpoints."""
        shutil.rmtree(self._place, ignore_errors=True)

    def _tables(self) -> list[Path]:
        return sorted(path for path in self._folder.glob("*.parquet") if not path.name.startswith("."))


def _is_whole(table: Path, *, with_maps: bool) -> bool:
    """Whether a part can be read to its end, where such files say what they hold."""
    try:
        pyarrow.parquet.read_metadata(table)
    except (OSError, pyarrow.ArrowInvalid):
        return False
    return not with_maps or zipfile.is_zipfile(table.with_suffix(".npz"))
