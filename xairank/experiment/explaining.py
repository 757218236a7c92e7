"""Explains a trained model's samples part by part, each on disk, so that a resumed run continues after the last one."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

import pandas as pd

from xairank.attribution import AttributionMethod, Cost, FrozenModel, Model, freeze
from xairank.attribution.acceleration.batch_limit import default_batch_limit
from xairank.console import progress
from xairank.data.datamodule import Batch
from xairank.evaluation import ImageMeasure, Metric
from xairank.experiment.classifier import Classifier
from xairank.experiment.probing import print_cost
from xairank.experiment.randomised import randomised_networks
from xairank.experiment.scoring import Scored, score_samples
from xairank.experiment.variants import Variants
from xairank.files import atomic
from xairank.runs.folder import RunFolder
from xairank.runs.maps import Maps, empty_maps, join_maps, write_maps
from xairank.schema import EXCLUDED_COLUMNS, SCORE_COLUMNS, SPEARMAN, SSIM


class Samples(Protocol):
    """What is explained: the samples of a data module, or those that a caller holds in memory."""

    @property
    def table(self) -> pd.DataFrame:
        """A row a sample: ``sample``, ``case``, ``label``, ``split``."""

    @property
    def splits(self) -> list[str]:
        """The splits that have samples, in order."""

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images, in pixels."""

    def evaluation_dataloader(self, split: str, batch_size: int | None = None) -> Iterable[Batch]:
        """The samples of a split in the order of the table."""

    def fingerprint(self) -> str:
        """A hash of what results depend on."""

    def content(self) -> str:
        """A hash of the samples, whatever the split."""


class Parts:
    """The parts that are explained, in ``explained/`` of a run folder.

    Parts of another model, and parts without the maps that are wanted, are deleted.

    Args:
        folder: The run folder.
        model: A hash of the model.
        with_maps: Whether maps are kept.
    """

    def __init__(self, folder: RunFolder, model: str, *, with_maps: bool) -> None:
        self._place = folder.path / "explained"
        self._folder = self._place / model[:16]
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
    """What a run's tables hold, and what was measured.

    Attributes:
        scores: Of ``scores.parquet``.
        variants: Of ``variants.parquet``; None where there are none.
        excluded: Of ``excluded.csv``.
        batch_limit: That memory allowed.
        costs: By method, of the images that were explained now, not before an interruption.
    """

    scores: pd.DataFrame
    variants: pd.DataFrame | None
    excluded: pd.DataFrame
    batch_limit: int
    costs: dict[str, Cost]


def explain_run(
    config: Mapping[str, Any],
    classifier: Classifier,
    data: Samples,
    methods: Mapping[str, AttributionMethod],
    metrics: Mapping[str, Metric],
    measures: Mapping[str, ImageMeasure],
    parts: Parts,
) -> Explained:
    """Explains and scores the correctly classified defects of both splits.

    Args:
        config: Of the run.
        classifier: On its device, in evaluation mode.
        data: The samples.
        methods: By name.
        metrics: By name.
        measures: By name.
        parts: Where what is done is kept.
    """
    options = config["attribution"]
    frozen = _freeze(classifier, data, options["batch_limit"])
    vary = _variants(config, classifier, data, methods, metrics, frozen.batch_limit)
    excluded: list[pd.DataFrame] = []
    costs: dict[str, Cost] = {}
    done = parts.samples()
    print_cost(metrics, measures, len(methods), vary.costs(frozen) if vary else ())
    with progress() as bar:
        task = bar.add_task("Explaining", total=len(data.table))
        for split in data.splits:
            for part in score_samples(
                frozen,
                data.evaluation_dataloader(split),
                data.table,
                classifier.classes,
                methods,
                metrics,
                measures=measures,
                predict_masks=classifier.predict_masks,
                keep_maps=options["keep_maps"],
                vary=vary.rows if vary else None,
                costs=costs,
                excluded=excluded,
                done=done,
                advance=lambda samples: bar.advance(task, samples),
            ):
                parts.add(part)
    scores = with_run(config, parts.scores(), [*SCORE_COLUMNS, *metrics])
    found, variants = (scores, None) if vary is None else split_variants(scores)
    return Explained(found, variants, with_run(config, excluded, EXCLUDED_COLUMNS), frozen.batch_limit, costs)


def costs_record(costs: Mapping[str, Cost]) -> dict[str, dict[str, float]]:
    """What ``run.json`` says each method costs an image: passes through the network, and milliseconds."""
    return {
        name: {
            "forward_passes": round(cost.passes / cost.images, 2),
            "milliseconds": round(1000 * cost.seconds / cost.images, 2),
        }
        for name, cost in costs.items()
    }


def split_variants(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What ``scores.parquet`` and ``variants.parquet`` hold, of rows of both."""
    own = ["variant", "level", "changed", SPEARMAN, SSIM]
    is_variant = rows["variant"] != "" if "variant" in rows else pd.Series(False, rows.index)
    variants = rows[is_variant].dropna(axis=1, how="all").reset_index(drop=True)
    return rows[~is_variant].drop(columns=own, errors="ignore").reset_index(drop=True), variants


def _variants(
    config: Mapping[str, Any],
    classifier: Classifier,
    data: Samples,
    methods: Mapping[str, AttributionMethod],
    metrics: Mapping[str, Metric],
    batch_limit: int,
) -> Variants | None:
    """What scores variants of the maps, where the configuration asks for some."""
    options = config["attribution"]
    if not (options["ladder"] or options["randomise"]):
        return None
    networks = []
    if options["randomise"]:
        images = next(iter(data.evaluation_dataloader(data.splits[0]))).images.to(classifier.device)
        for changed, network in randomised_networks(classifier.network, images, config["seed"]):
            networks.append((changed, freeze(cast(Model, network), images[:1], batch_limit=batch_limit)))
    decides = {name: metrics[name] for name in [config["ranking"]["metric"]]}
    return Variants(methods, decides, ladder=options["ladder"], randomised=networks)


def no_maps(data: Samples, methods: Mapping[str, object]) -> Maps:
    """The maps of a run without a ranked image; controls keep none."""
    kept = [name for name, method in methods.items() if not getattr(method, "control", "")]
    return empty_maps(kept, data.image_size)


def _freeze(classifier: Classifier, data: Samples, batch_limit: int | str) -> FrozenModel:
    device = classifier.device
    images = next(iter(data.evaluation_dataloader(data.splits[-1], batch_size=1))).images.to(device)
    limit = default_batch_limit(device) if batch_limit == "auto" else int(batch_limit)
    return freeze(cast(Model, classifier.network), images, batch_limit=limit)


def with_run(
    config: Mapping[str, Any], tables: list[pd.DataFrame], columns: list[str] | tuple[str, ...]
) -> pd.DataFrame:
    """One table with the run's seed and fold, first the ``columns``, then what else there is."""
    whole = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(columns))
    fold = config["data"]["fold"]
    whole = whole.assign(seed=config["seed"], fold=pd.array([fold] * len(whole), dtype="Int64"))
    return whole[[*columns, *(name for name in whole if name not in columns)]]
