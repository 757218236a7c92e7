"""From a trained model and batches of samples to rows of scores: predict, select, explain, score."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from xairank.attribution import AttributionMethod, Diagnostics, FrozenModel, NonFiniteError, explain
from xairank.attribution.protocol import explaining
from xairank.data.datamodule import Batch
from xairank.errors import UserError
from xairank.evaluation.metric import Metric
from xairank.runs.maps import Maps
from xairank.schema import EMPTY_MASK, GOOD, MISCLASSIFIED, chance_column

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
    predict_masks: Callable[[Tensor], Tensor] | None,
    excluded: list[pd.DataFrame],
    done: Collection[str] = (),
    advance: Callable[[int], None],
) -> Iterator[Scored]:
    """Explains every correctly classified defect with every method and scores the maps, a part after the other.

    Args:
        model: Frozen, on its device; explains ``batch_limit`` images at once, which make a part.
        batches: The samples.
        table: A row a sample: ``sample``, ``case``, ``label``, ``split``.
        classes: Names of the model's classes, in order.
        methods: The methods by name.
        metrics: The metrics by name.
        predict_masks: Images (B, 3, H, W) -> predicted masks (B, H, W) in [0, 1], kept with the maps; None keeps
            no maps.
        excluded: Takes the rows for ``excluded.csv``, complete when the last part is.
        done: Samples that are scored already and left out.
        advance: Called with the number of samples that are done, for a progress bar.

    Raises:
        UserError: A method or a metric gives values that cannot be ranked.
    """
    device = next(model.parameters()).device
    ranked = _ranked(model, batches, device, table, classes, excluded, advance)
    for samples in _gathered(ranked, model.batch_limit):
        # Left out after gathering, so that what remains is batched, and rounded, as in a run that was never stopped.
        new = ~table["sample"].iloc[samples.rows.numpy()].isin(done).to_numpy()
        advance(int((~new).sum()))
        if not new.any():
            continue
        samples = samples.select(torch.from_numpy(new)) if not new.all() else samples
        described = _describe(samples, table, classes)
        explained = _explain(model, samples, methods, described["sample"].tolist())
        maps = None if predict_masks is None else _maps(samples, described, explained, predict_masks(samples.images))
        yield Scored(_score(described, explained, metrics, samples.masks), maps)
        advance(len(samples.rows))


def predict(model: FrozenModel, images: Tensor) -> tuple[Tensor, Tensor]:
    """Predicted class (B,) and its probability (B,) float64, which is NaN where a logit is not finite."""
    with explaining(model), torch.no_grad():
        logits = model(images)
    probability, predicted = logits.cpu().double().softmax(dim=1).max(dim=1)
    return predicted, probability.where(logits.isfinite().all(dim=1).cpu(), torch.nan)


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
            raise UserError(f"the model's logits of {sample} are NaN or infinite: training diverged; lower model.lr")
        rows["predicted"] = [classes[index] for index in predicted.tolist()]
        k = pd.Series(batch.masks.flatten(1).sum(dim=1).numpy())
        rows["reason"] = exclusion_reasons(rows["label"], rows["predicted"], k)
        ranked = torch.from_numpy((rows["reason"] == "").to_numpy())
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
        k=samples.masks.flatten(1).sum(dim=1).numpy(),
        n_pixels=samples.masks[0].numel(),
    )


def _explain(
    model: FrozenModel, samples: Predicted, methods: Mapping[str, AttributionMethod], keys: list[str]
) -> dict[str, tuple[Tensor, Diagnostics]]:
    """Maps (B, H, W) and diagnostics of each method, on the host."""
    targets = samples.predicted.to(samples.images.device)
    try:
        explained = explain(methods, model, samples.images, targets)
    except NonFiniteError as error:
        raise UserError(
            f"attribution.methods.{error.method}: {error.what} of {keys[error.image]} holds NaN or infinite values; "
            "lower model.lr if training diverged, or remove the method's entry"
        ) from None
    return {
        name: (maps.cpu(), {key: value.cpu() for key, value in diagnostics.items()})
        for name, (maps, diagnostics) in explained.items()
    }


def _score(
    described: pd.DataFrame,
    explained: Mapping[str, tuple[Tensor, Diagnostics]],
    metrics: Mapping[str, Metric],
    masks: Tensor,
) -> pd.DataFrame:
    """A row an image and method; a method's diagnostics of one number an image are columns."""
    chances = {chance_column(name): metric.chance(masks) for name, metric in metrics.items()}
    known = {name: values.double().numpy() for name, values in chances.items() if values is not None}
    rows = []
    for method, (maps, diagnostics) in explained.items():
        values = {name: _values(name, metric, maps, masks, method, described) for name, metric in metrics.items()}
        numbers = {key: value.double().numpy() for key, value in diagnostics.items() if value.ndim == 1}
        rows.append(described.assign(method=method, **values, **known, **numbers))
    return pd.concat(rows, ignore_index=True)


def _values(
    name: str, metric: Metric, maps: Tensor, masks: Tensor, method: str, described: pd.DataFrame
) -> NDArray[np.float64]:
    """A metric's values (B,), checked."""
    values = metric(maps.double(), masks)
    if values.shape != masks.shape[:1]:
        found, wanted = tuple(values.shape), tuple(masks.shape[:1])
        raise UserError(f"evaluation.metrics.{name}: gives values of shape {found}, expected one an image, {wanted}")
    wrong = (~values.isfinite()).nonzero().flatten().tolist()
    if wrong:
        raise UserError(
            f"evaluation.metrics.{name}: gives {values[wrong[0]].item()} for {described['sample'][wrong[0]]} and "
            f"{method}; a metric must be finite, fix it or remove its entry"
        )
    return values.double().numpy()


def _maps(
    samples: Predicted,
    described: pd.DataFrame,
    explained: Mapping[str, tuple[Tensor, Diagnostics]],
    predicted_masks: Tensor,
) -> Maps:
    return Maps(
        splits=described["split"].tolist(),
        samples=described["sample"].tolist(),
        labels=described["label"].tolist(),
        predicted=described["predicted"].tolist(),
        probability=samples.probability.numpy(),
        methods=list(explained),
        maps=np.stack([maps.float().numpy() for maps, _ in explained.values()], axis=1),
        images=samples.images.mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy(),
        masks=samples.masks.numpy(),
        predicted_masks=predicted_masks.float().cpu().numpy(),
        class_activation={
            name: diagnostics["class_activation"].float().numpy()
            for name, (_, diagnostics) in explained.items()
            if "class_activation" in diagnostics
        },
    )
