"""From a trained model and batches of samples to rows of scores: predict, select, explain, score."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from xairank.attribution import AttributionMethod, Cost, Explanation, FrozenModel, NonFiniteError, explain
from xairank.data.datamodule import Batch
from xairank.errors import UserError
from xairank.evaluation import ImageMeasure, Metric, ModelMetric, Probe, mask_shape
from xairank.experiment.kept_maps import to_maps
from xairank.experiment.prediction import predict
from xairank.experiment.probing import checked_values, make_probe, measure_images
from xairank.experiment.sharing import Share
from xairank.runs.maps import Maps
from xairank.schema import COMPONENTS, EMPTY_MASK, GOOD, MISCLASSIFIED, THINNESS, chance_column

# Of Variants.rows, which needs this module.
Vary = Callable[[pd.DataFrame, Mapping[str, Explanation], Tensor, FrozenModel, Tensor, Tensor], Iterable[pd.DataFrame]]
_DESCRIPTION = ["split", "sample", "case", "label"]


class Predicted(NamedTuple):
    """Samples with what the model says of them; tensors with one entry a sample, rows of the sample table."""

    images: Tensor
    masks: Tensor
    predicted: Tensor
    probability: Tensor
    rows: Tensor

    def select(self, which: Tensor | slice) -> "Predicted":
        """The samples of a bool tensor (B,) or of a slice."""
        return Predicted(*(part[which] for part in self))


class Scored(NamedTuple):
    """One part of what explaining gives: rows for ``scores.parquet``, and maps where they are kept."""

    scores: pd.DataFrame
    maps: Maps | None


def score_samples(
    model: FrozenModel,
    batches: Iterable[Batch],
    table: pd.DataFrame,
    classes: list[str],
    methods: Mapping[str, AttributionMethod],
    metrics: Mapping[str, Metric],
    *,
    measures: Mapping[str, ImageMeasure],
    predict_masks: Callable[[Tensor], Tensor] | None,
    keep_maps: bool,
    vary: Vary | None = None,
    costs: dict[str, Cost] | None = None,
    excluded: list[pd.DataFrame],
    done: Collection[str] = (),
    advance: Callable[[int], None],
    share: Share | None = None,
) -> Iterator[Scored]:
    """Explains every correctly classified defect with every method and scores the maps, a part after the other.

    Args:
        model: Frozen, on its device; explains ``batch_limit`` images at once, which make a part.
        batches: The samples.
        table: A row a sample: ``sample``, ``case``, ``label``, ``split``.
        classes: Names of the model's classes, in order.
        methods: The methods by name.
        metrics: The metrics by name.
        measures: What is measured of each image, by name.
        predict_masks: Images (B, 3, H, W) -> predicted masks (B, H, W) in [0, 1], kept with the maps; None where the
            model predicts none.
        keep_maps: Whether maps are handed on.
        vary: Scores variants of the maps, see :meth:`xairank.experiment.variants.Variants.rows`; None for none.
        costs: Takes what each method costs.
        excluded: Takes the rows for ``excluded.csv``, complete when the last part is.
        done: Samples that are scored already and left out.
        advance: Called with the number of samples that are done, for a progress bar.
        share: The parts to do, where other processes do the others; None for all.

    Raises:
        UserError: A method or a metric gives values that cannot be ranked.
    """
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    counts = advance if share is None or share.number == 0 else _ignored
    ranked = _ranked(model, batches, device, table, classes, excluded, counts)
    for number, samples in enumerate(_gathered(ranked, model.batch_limit)):
        if share and not share.has(number):
            continue
        # Left out after gathering, so that what remains is batched, and rounded, as in a run that was never stopped.
        new = ~table["sample"].iloc[samples.rows.numpy()].isin(done).to_numpy()
        advance(int((~new).sum()))
        if not new.any():
            continue
        samples = samples.select(torch.from_numpy(new)) if not new.all() else samples
        described = _describe(samples, table, classes)
        explained = _explain(model, samples, methods, described["sample"].tolist(), costs)
        predicted_masks = predict_masks(samples.images) if keep_maps and predict_masks else None
        kept = {name: one for name, one in explained.items() if not getattr(methods[name], "control", "")}
        maps = to_maps(described, samples.images, samples.masks, kept, predicted_masks) if keep_maps else None
        probes = _probes(model, samples, methods)
        measured = measure_images(measures, samples.masks, next(iter(probes.values())), described["sample"])
        scores = score_maps(described, explained, metrics, samples.masks, probes, measured)
        if vary is not None:
            targets = samples.predicted.to(samples.images.device)
            variants = vary(described, explained, samples.masks, model, samples.images, targets)
            scores = pd.concat([scores.assign(variant=""), *variants], ignore_index=True)
        yield Scored(scores, maps)
        advance(len(samples.rows))


def _ignored(_: int) -> None:
    """Of the samples that another process counts."""


def exclusion_reasons(labels: pd.Series, predicted: pd.Series, k: pd.Series) -> pd.Series:
    """Why a sample is not ranked: ``good``, ``empty_mask``, ``misclassified``, or an empty text where it is ranked."""
    reasons = np.select([labels == GOOD, k == 0, labels != predicted], [GOOD, EMPTY_MASK, MISCLASSIFIED], default="")
    return pd.Series(reasons, index=labels.index)


def _ranked(
    model: FrozenModel,
    batches: Iterable[Batch],
    device: torch.device,
    table: pd.DataFrame,
    classes: list[str],
    excluded: list[pd.DataFrame],
    advance: Callable[[int], None],
) -> Iterator[Predicted]:
    """Predicts batch by batch, notes what is excluded and hands on the rest."""
    for batch in batches:
        images = batch.images.to(device)
        predicted, probability = predict(model, images)
        rows = table.iloc[batch.rows.numpy()][_DESCRIPTION].reset_index(drop=True)
        if bool(probability.isnan().any()):
            sample = rows["sample"][int(probability.isnan().nonzero()[0])]
            raise UserError(
                f"the model's logits of {sample} are NaN or infinite: training diverged; lower model.lr, or check the "
                "weights"
            )
        rows["predicted"] = [classes[index] for index in predicted.tolist()]
        k = pd.Series(batch.masks.flatten(1).sum(dim=1).numpy())
        rows["reason"] = exclusion_reasons(rows["label"], rows["predicted"], k)
        ranked = torch.tensor((rows["reason"] == "").to_numpy())  # a copy, as pandas may give an array to read
        excluded.append(rows[rows["reason"] != ""])
        advance(int((~ranked).sum()))
        yield Predicted(images, batch.masks, predicted, probability, batch.rows).select(ranked)


def _gathered(parts: Iterable[Predicted], batch_size: int) -> Iterator[Predicted]:
    """Joins and cuts to batches of exactly ``batch_size``, the last one excepted."""
    waiting: Predicted | None = None
    for part in parts:
        waiting = part if waiting is None else Predicted(*map(torch.cat, zip(waiting, part, strict=True)))
        while len(waiting.rows) >= batch_size:
            yield waiting.select(slice(batch_size))
            waiting = waiting.select(slice(batch_size, None))
    if waiting is not None and len(waiting.rows):
        yield waiting


def _describe(samples: Predicted, table: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    described = table.iloc[samples.rows.numpy()][_DESCRIPTION].reset_index(drop=True)
    return described.assign(
        predicted=[classes[index] for index in samples.predicted.tolist()],
        probability=samples.probability.numpy(),
        **describe_masks(samples.masks),
    )


def describe_masks(masks: Tensor) -> dict[str, Any]:
    """What ``scores.parquet`` says of masks (B, H, W) with a pixel each: columns by name, (B,) each or a number."""
    components, thinness = (values.numpy() for values in mask_shape(masks))
    k = masks.flatten(1).sum(dim=1).cpu().numpy()
    return {"k": k, "n_pixels": masks[0].numel(), COMPONENTS: components, THINNESS: thinness}


def _explain(
    model: FrozenModel,
    samples: Predicted,
    methods: Mapping[str, AttributionMethod],
    keys: list[str],
    costs: dict[str, Cost] | None,
) -> dict[str, Explanation]:
    """Maps (B, H, W) and diagnostics of each method, on the host."""
    targets = samples.predicted.to(samples.images.device)
    try:
        explained = explain(methods, model, samples.images, targets, costs=costs)
    except NonFiniteError as error:
        raise UserError(
            f"attribution.methods.{error.method}: {error.what} of {keys[error.image]} holds NaN or infinite values; "
            "lower model.lr if training diverged, or remove the method's entry"
        ) from None
    return {
        name: (maps.cpu(), {key: value.cpu() for key, value in diagnostics.items()})
        for name, (maps, diagnostics) in explained.items()
    }


def _probes(model: FrozenModel, samples: Predicted, methods: Mapping[str, AttributionMethod]) -> dict[str, Probe]:
    """The model as each method's metrics may ask it."""
    limit = model.batch_limit  # what memory allowed to explain
    return {
        name: make_probe(model, samples.images, samples.predicted, limit, method) for name, method in methods.items()
    }


def score_maps(
    described: pd.DataFrame,
    explained: Mapping[str, Explanation],
    metrics: Mapping[str, Metric],
    masks: Tensor,
    probes: Mapping[str, Probe] | None = None,
    measured: Mapping[str, NDArray[np.float64]] | None = None,
) -> pd.DataFrame:
    """Scores maps by every metric.

    Args:
        described: A row an image: what ``scores.parquet`` says of it.
        explained: Maps (B, H, W) and diagnostics of each method, on the host; diagnostics of one number an image become
            columns.
        metrics: By name.
        masks: (B, H, W), on the host.
        probes: By method, the model, for metrics that ask it; None where there is none.
        measured: Columns that all methods of an image share, (B,) each.

    Returns:
        A row an image and method.

    Raises:
        UserError: A metric refuses a map, or gives something else than a finite number an image.
    """
    chances = {chance_column(name): metric.chance(masks) for name, metric in metrics.items()}
    known = {name: values.double().numpy() for name, values in chances.items() if values is not None}
    rows = []
    for method, (maps, diagnostics) in explained.items():
        precise, probe = maps.double(), probes[method] if probes else None
        values = {
            name: checked_values(
                f"evaluation.metrics.{name}",
                _call(name, metric, precise, masks, probe, method, described),
                described["sample"],
                f" and {method}",
            )
            for name, metric in metrics.items()
        }
        numbers = {key: value.double().numpy() for key, value in diagnostics.items() if value.ndim == 1}
        rows.append(described.assign(method=method, **values, **known, **(measured or {}), **numbers))
    return pd.concat(rows, ignore_index=True)


def _call(
    name: str,
    metric: Metric,
    maps: Tensor,
    masks: Tensor,
    probe: Probe | None,
    method: str,
    described: pd.DataFrame,
) -> Tensor:
    """A metric's values (B,), or what it says that it cannot score."""
    try:
        return metric(maps, masks, probe) if isinstance(metric, ModelMetric) else metric(maps, masks)
    except ValueError as error:
        place = f"from {described['sample'].iloc[0]} on"
        raise UserError(f"evaluation.metrics.{name}: cannot score the maps of {method} {place}: {error}") from None
