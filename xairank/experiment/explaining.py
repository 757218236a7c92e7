"""Explains a trained model's samples part by part, each on disk, so that a resumed run continues after the last one."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from xairank.attribution import AttributionMethod, FrozenModel, freeze
from xairank.attribution.acceleration.batch_limit import default_batch_limit
from xairank.console import progress
from xairank.data.datamodule import DefectDataModule
from xairank.evaluation.metric import Metric
from xairank.experiment.scoring import Scored, score_samples
from xairank.files import atomic, sha256
from xairank.models import MultitaskModule
from xairank.runs.folder import RunFolder
from xairank.runs.maps import Maps, empty_maps, join_maps, write_maps
from xairank.schema import EXCLUDED_COLUMNS, SCORE_COLUMNS, SPLITS


class Parts:
    """The parts that are explained, in ``explained/`` of a run folder.

    Parts of another checkpoint are of another model; they, and parts without the maps that are wanted, are deleted.

    Args:
        folder: The run folder.
        with_maps: Whether maps are kept.
    """

    def __init__(self, folder: RunFolder, *, with_maps: bool) -> None:
        self._place = folder.path / "explained"
        self._folder = self._place / sha256(folder.checkpoint)[:16]
        found = self._tables()
        if not found or (with_maps and not all(path.with_suffix(".npz").is_file() for path in found)):
            self.delete()

    def samples(self) -> set[str]:
        """What is done."""
        return {sample for path in self._tables() for sample in pd.read_parquet(path, columns=["sample"])["sample"]}

    def add(self, part: Scored) -> None:
        """Writes a part; its table comes last and makes it whole."""
        path = self._folder / f"{len(self._tables()):06}.parquet"
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


class Explained(NamedTuple):
    """What ``scores.parquet`` and ``excluded.csv`` hold, and the batch limit that memory allowed."""

    scores: pd.DataFrame
    excluded: pd.DataFrame
    batch_limit: int


def explain_run(
    folder: RunFolder,
    module: MultitaskModule,
    data: DefectDataModule,
    methods: Mapping[str, AttributionMethod],
    metrics: Mapping[str, Metric],
    parts: Parts,
) -> Explained:
    """Explains and scores the correctly classified defects of both splits.

    Args:
        folder: The run folder, for the configuration.
        module: Trained, on its device.
        data: Set up.
        methods: By name.
        metrics: By name.
        parts: Where what is done is kept.
    """
    options = folder.config["attribution"]
    module.eval()
    frozen = _freeze(module, data, options["batch_limit"])
    excluded: list[pd.DataFrame] = []
    done = parts.samples()
    with progress() as bar:
        task = bar.add_task("Explaining", total=len(data.table))
        for split in SPLITS:
            for part in score_samples(
                frozen,
                data.evaluation_dataloader(split),
                data.table,
                data.classes,
                methods,
                metrics,
                predict_masks=module.predict_masks if options["keep_maps"] else None,
                excluded=excluded,
                done=done,
                advance=lambda samples: bar.advance(task, samples),
            ):
                parts.add(part)
    scores = _with_run(folder, parts.scores(), [*SCORE_COLUMNS, *metrics])
    return Explained(scores, _with_run(folder, excluded, EXCLUDED_COLUMNS), frozen.batch_limit)


def no_maps(data: DefectDataModule, methods: Mapping[str, AttributionMethod]) -> Maps:
    """The maps of a run without a ranked image."""
    return empty_maps(list(methods), data.view.size)


def _freeze(module: MultitaskModule, data: DefectDataModule, batch_limit: int | str) -> FrozenModel:
    images = next(iter(data.evaluation_dataloader("test", batch_size=1))).images.to(module.device)
    limit = default_batch_limit(module.device) if batch_limit == "auto" else int(batch_limit)
    return freeze(module.model, images, batch_limit=limit)


def _with_run(folder: RunFolder, tables: list[pd.DataFrame], columns: list[str] | tuple[str, ...]) -> pd.DataFrame:
    """One table with the run's seed and fold, first the ``columns``, then what else there is."""
    whole = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(columns))
    whole = whole.assign(seed=folder.config["seed"], fold=folder.config["data"]["fold"])
    return whole[[*columns, *(name for name in whole if name not in columns)]]
