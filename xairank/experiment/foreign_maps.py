"""Scores maps that another tool made: read from files, checked whole before anything is written."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from xairank.attribution import Explanation
from xairank.attribution.controls import Control
from xairank.console import print_line, progress
from xairank.data.datamodule import Batch, DefectDataModule
from xairank.data.faults import Faults
from xairank.data.map_files import MapFiles, Sign, index_maps, read_map
from xairank.data.predictions import misnamed_class, read_predictions
from xairank.errors import UserError
from xairank.evaluation import Metric
from xairank.experiment.explaining import no_maps, split_variants, with_run
from xairank.experiment.kept_maps import to_maps
from xairank.experiment.parts import Parts
from xairank.experiment.scoring import Scored, describe_masks, exclusion_reasons, score_maps
from xairank.experiment.variants import blurred_rows
from xairank.files import expand_user
from xairank.names import count
from xairank.runs.folder import RunFolder
from xairank.schema import EXCLUDED_COLUMNS, GOOD, SCORE_COLUMNS


class FileMaps:
    """Maps of several methods in files, for the samples that are ranked.

    Args:
        config: Of ``python -m xairank.rank``.
        data: The samples.

    Attributes:
        table: A row a sample: what ``scores.parquet`` says of it, and ``reason`` it is not ranked, if so.
        methods: Names of the methods.

    Raises:
        UserError: A map or a prediction is missing or cannot be used; names the first.
    """

    def __init__(self, config: Mapping[str, object], data: DefectDataModule) -> None:
        folder = expand_user(str(config["maps"]))
        self._sign: Sign | None = config["maps_sign"]  # type: ignore[assignment]
        self._size = data.image_size
        self.table = describe_samples(data, config["predictions"])
        ranked = self.table["sample"][self.table["reason"] == ""]
        faults = Faults(check="")
        self._files: MapFiles = index_maps(folder, self.table["sample"], faults, needed=set(ranked))
        faults.stop()
        self.methods = list(self._files)
        self._check(list(ranked), faults)
        faults.stop()

    def read(self, samples: list[str]) -> dict[str, Explanation]:
        """The maps (B, H, W) of some samples by method."""
        return {
            method: (
                torch.from_numpy(np.stack([read_map(files[name], self._size, self._sign) for name in samples])),
                {},
            )
            for method, files in self._files.items()
        }

    def _check(self, samples: list[str], faults: Faults) -> None:
        """Reads every map once, and says which are constant and which are resized."""
        with progress() as bar:
            task = bar.add_task("Reading maps", total=len(samples) * len(self._files))
            for method, files in self._files.items():
                constant, shapes = 0, set()
                for name in samples:
                    with faults.collect():
                        values = read_map(files[name], None, self._sign)
                        shapes.add(values.shape)
                        constant += bool((values == values.flat[0]).all())
                    bar.advance(task)
                _remark(method, shapes - {self._size}, self._size, constant)


def describe_samples(data: DefectDataModule, predictions: object) -> pd.DataFrame:
    """A row a sample: split, sample, case, label, predicted, probability, and the reason why it is not ranked.

    Where nothing is known of the predictions, all are taken as right.

    Args:
        data: The samples.
        predictions: Path of a table of them, or None.
    """
    table = data.table[["split", "sample", "case", "label"]].assign(predicted=data.table["label"], probability=np.nan)
    if predictions:
        needed = set(table["sample"][table["label"] != GOOD])
        found = read_predictions(expand_user(str(predictions)), table["sample"], needed)
        table = table.assign(predicted=found["predicted"].to_numpy(), probability=found["probability"].to_numpy())
        classes = sorted(set(table["label"]))
        if wrong := misnamed_class(found["predicted"], classes):
            raise UserError(
                f"{predictions}: predicts {wrong}; expected {', '.join(classes)}, as the data calls its classes, or "
                "another class by name"
            )
    else:
        print_line("Note: what the model predicted is not known, so every defect counts; predictions=FILE says it.")
    assert data.samples is not None
    k = pd.Series(data.samples.masks.flatten(1).sum(dim=1).numpy(), index=table.index)
    return table.assign(reason=exclusion_reasons(table["label"], table["predicted"], k))


def score_map_files(
    folder: RunFolder,
    data: DefectDataModule,
    maps: FileMaps,
    controls: Mapping[str, Control],
    metrics: Mapping[str, Metric],
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Scores the maps of all ranked samples, and those of the controls, and keeps the maps where that is wanted.

    Returns:
        What ``scores.parquet``, ``variants.parquet`` and ``excluded.csv`` hold.
    """
    config = folder.config
    decides = config["ranking"]["metric"]
    blurred = {decides: metrics[decides]} if config["attribution"]["ladder"] else {}
    keep = config["attribution"]["keep_maps"]
    parts = Parts(folder, str(folder.weights), with_maps=keep)
    parts.delete()  # reading is quick
    with progress() as bar:
        task = bar.add_task("Scoring", total=len(data.table))
        for split in data.splits:
            for batch in data.evaluation_dataloader(split):
                part = _score(batch, maps, controls, metrics, blurred, keep=keep)
                if part is not None:
                    parts.add(part)
                bar.advance(task, len(batch.rows))
    if keep:
        parts.write_maps(folder.maps, no_maps(data, dict.fromkeys(maps.methods)))
    scores = with_run(config, parts.scores(), [*SCORE_COLUMNS, *metrics])
    excluded = maps.table[maps.table["reason"] != ""].drop(columns="probability")
    parts.delete()
    return *split_variants(scores), with_run(config, [excluded], EXCLUDED_COLUMNS)


def from_images(controls: Mapping[str, Control], images: Tensor) -> dict[str, Explanation]:
    """The maps of controls for images (B, 3, H, W)."""
    return {name: (control.from_images(images), {}) for name, control in controls.items()}


def _score(
    batch: Batch,
    maps: FileMaps,
    controls: Mapping[str, Control],
    metrics: Mapping[str, Metric],
    blurred: Mapping[str, Metric],
    *,
    keep: bool,
) -> Scored | None:
    """Scores the ranked samples of a batch; ``blurred`` are the metrics of the smoothing ladder, if any."""
    rows = maps.table.iloc[batch.rows.numpy()].reset_index(drop=True)
    ranked = (rows["reason"] == "").to_numpy()
    if not ranked.any():
        return None
    chosen = torch.tensor(ranked)
    images, masks = batch.images[chosen], batch.masks[chosen]
    described = rows[ranked].drop(columns="reason").reset_index(drop=True)
    described = described.assign(**describe_masks(masks))
    explained = maps.read(described["sample"].tolist())
    kept = to_maps(described, images, masks, explained, None) if keep else None
    every = explained | from_images(controls, images)
    scores = score_maps(described, every, metrics, masks)
    if blurred:
        ladder = blurred_rows(described, every, masks, blurred)
        scores = pd.concat([scores.assign(variant=""), *ladder], ignore_index=True)
    return Scored(scores, kept)


def _remark(method: str, shapes: set[tuple[int, ...]], size: tuple[int, int], constant: int) -> None:
    if shapes:
        some = ", ".join(f"{height} x {width}" for height, width in sorted(shapes)[:3])
        print_line(f"Note: maps of {method} are resized bilinearly from {some} to {size[0]} x {size[1]} pixels.")
    if constant:
        print_line(f"Note: {count(constant, 'map')} of {method} are constant, and score as a random map.")
