"""Explains a trained model's samples part by part, each on disk, so that a resumed run continues after the last one."""

import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast

import pandas as pd
import torch

from xairank.attribution import AttributionMethod, Cost, FrozenModel, Model, freeze
from xairank.attribution.acceleration.batch_limit import default_batch_limit
from xairank.console import progress
from xairank.data.datamodule import Batch
from xairank.evaluation import ImageMeasure, Metric
from xairank.experiment.classifier import Classifier
from xairank.experiment.parts import Parts
from xairank.experiment.probing import print_cost
from xairank.experiment.randomised import randomised_networks
from xairank.experiment.scoring import score_samples
from xairank.experiment.sharing import Share, shared_out
from xairank.experiment.variants import Variants
from xairank.runs.maps import Maps, empty_maps
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
    devices: Sequence[torch.device] = (),
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
        devices: That share the work, with the same scores as one; the classifier's by default.
    """
    devices = devices or [classifier.device]
    places = {sample: place for place, sample in enumerate(_in_order(data))}
    limit = config["attribution"]["batch_limit"]
    # One for all devices, as the parts that images are explained in, and so their rounding, follow from it.
    limit = default_batch_limit(devices[0]) if limit == "auto" else int(limit)
    work = functools.partial(
        _explain_share, config, classifier, data, methods, metrics, measures, parts, places, limit, parts.samples()
    )
    with progress() as bar:
        task = bar.add_task("Explaining", total=len(data.table))
        shares = shared_out(work, devices, lambda samples: bar.advance(task, samples))
    scores = with_run(config, parts.scores(), [*SCORE_COLUMNS, *metrics])
    varies = config["attribution"]["ladder"] or config["attribution"]["randomise"]
    found, variants = split_variants(scores) if varies else (scores, None)
    excluded = with_run(config, shares[0].excluded, EXCLUDED_COLUMNS)  # the same of every share
    costs: dict[str, Cost] = {}
    for name, cost in ((name, cost) for share in shares for name, cost in share.costs.items()):
        costs.setdefault(name, Cost()).add(cost)
    return Explained(found, variants, excluded, min(share.batch_limit for share in shares), costs)


class _Found(NamedTuple):
    """What one device's share of the work gives, beside its parts."""

    excluded: list[pd.DataFrame]
    batch_limit: int
    costs: dict[str, Cost]


def _explain_share(
    config: Mapping[str, Any],
    classifier: Classifier,
    data: Samples,
    methods: Mapping[str, AttributionMethod],
    metrics: Mapping[str, Metric],
    measures: Mapping[str, ImageMeasure],
    parts: Parts,
    places: Mapping[str, int],
    batch_limit: int,
    done: Collection[str],
    share: Share,
    advance: Callable[[int], None],
) -> _Found:
    """Explains the parts of one device; each goes to disk as soon as it is whole."""
    classifier.network.to(share.device)
    frozen = _freeze(classifier, data, batch_limit)
    vary = _variants(config, classifier, data, methods, metrics, frozen.batch_limit)
    found = _Found([], batch_limit, {})
    if share.number == 0:
        print_cost(metrics, measures, len(methods), vary.costs(frozen) if vary else ())
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
            keep_maps=config["attribution"]["keep_maps"],
            vary=vary.rows if vary else None,
            costs=found.costs,
            excluded=found.excluded,
            done=done,
            advance=advance,
            share=share,
        ):
            parts.add(part, places[part.scores["sample"].iloc[0]])
    return found._replace(batch_limit=frozen.batch_limit)


def _in_order(data: Samples) -> Iterator[str]:
    """The samples in the order in which one device explains them."""
    for split in data.splits:
        yield from data.table["sample"][data.table["split"] == split]


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


def _freeze(classifier: Classifier, data: Samples, batch_limit: int) -> FrozenModel:
    images = next(iter(data.evaluation_dataloader(data.splits[-1], batch_size=1))).images.to(classifier.device)
    return freeze(cast(Model, classifier.network), images, batch_limit=batch_limit)


def with_run(
    config: Mapping[str, Any], tables: list[pd.DataFrame], columns: list[str] | tuple[str, ...]
) -> pd.DataFrame:
    """One table with the run's seed and fold, first the ``columns``, then what else there is."""
    whole = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(columns))
    fold = config["data"]["fold"]
    whole = whole.assign(seed=config["seed"], fold=pd.array([fold] * len(whole), dtype="Int64"))
    return whole[[*columns, *(name for name in whole if name not in columns)]]
