"""From a trained model and batches of samples to rows of scores: predict, select, explain, score."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from xairank.attribution import AttributionMethod, Diagnostics, FrozenModel, explain
from xairank.attribution.protocol import explaining
from xairank.data.datamodule import Batch
from xairank.data.files import GOOD
from xairank.evaluation import topk_iou, topk_overlap
from xairank.runs.maps import Maps

METRICS = {"topk_overlap": topk_overlap, "topk_iou": topk_iou}


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


@dataclass
class Scores:
    """What explaining gives: rows for ``scores.parquet`` and ``excluded.csv``, and the parts of ``maps.npz``."""

    scores: list[pd.DataFrame] = field(default_factory=list)
    excluded: list[pd.DataFrame] = field(default_factory=list)
    maps: list[Maps] = field(default_factory=list)


def score_samples(
    model: FrozenModel,
    batches: Iterable[Batch],
    table: pd.DataFrame,
    classes: list[str],
    methods: Mapping[str, AttributionMethod],
    *,
    predict_masks: Callable[[Tensor], Tensor] | None,
    advance: Callable[[int], None],
) -> Scores:
    """Explains every correctly classified defect with every method and scores the maps.

    Args:
        model: Frozen, on its device; explains ``batch_limit`` images at once.
        batches: The samples.
        table: A row a sample: ``sample``, ``label``, ``split``.
        classes: Names of the model's classes, in order.
        methods: The methods by name.
        predict_masks: Images (B, 3, H, W) -> predicted masks (B, H, W) in [0, 1], kept with the maps; None keeps
            no maps.
        advance: Called with the number of samples that are done, for a progress bar.
    """
    device = next(model.parameters()).device
    result = Scores()
    ranked = _ranked(model, batches, device, table, classes, result.excluded, advance)
    for samples in _gathered(ranked, model.batch_limit):
        described = _describe(samples, table, classes)
        explained = _explain(model, samples, methods)
        result.scores.append(_score(described, explained, samples.masks))
        if predict_masks is not None:
            result.maps.append(_maps(samples, described, explained, predict_masks(samples.images)))
        advance(len(samples.rows))
    return result


def predict(model: FrozenModel, images: Tensor) -> tuple[Tensor, Tensor]:
    """Predicted class (B,) and its probability (B,) float64."""
    with explaining(model), torch.no_grad():
        logits = model.forward_head(model.forward_features(images))
    probability, predicted = logits.cpu().double().softmax(dim=1).max(dim=1)
    return predicted, probability


def exclusion_reasons(labels: pd.Series, predicted: pd.Series, k: pd.Series) -> pd.Series:
    """Why a sample is not ranked: ``good``, ``empty_mask``, ``misclassified``, or an empty text where it is ranked."""
    reasons = np.select(
        [labels == GOOD, k == 0, labels != predicted], [GOOD, "empty_mask", "misclassified"], default=""
    )
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
        rows = table.iloc[batch.rows.numpy()][["split", "sample", "label"]].reset_index(drop=True)
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
    described = table.iloc[samples.rows.numpy()][["split", "sample", "label"]].reset_index(drop=True)
    return described.assign(
        predicted=[classes[index] for index in samples.predicted.tolist()],
        probability=samples.probability.numpy(),
        k=samples.masks.flatten(1).sum(dim=1).numpy(),
        n_pixels=samples.masks[0].numel(),
    )


def _explain(
    model: FrozenModel, samples: Predicted, methods: Mapping[str, AttributionMethod]
) -> dict[str, tuple[Tensor, Diagnostics]]:
    """Maps (B, H, W) and diagnostics of each method, on the host."""
    targets = samples.predicted.to(samples.images.device)
    explained = explain(methods, model, samples.images, targets)
    return {
        name: (maps.cpu(), {key: value.cpu() for key, value in diagnostics.items()})
        for name, (maps, diagnostics) in explained.items()
    }


def _score(described: pd.DataFrame, explained: Mapping[str, tuple[Tensor, Diagnostics]], masks: Tensor) -> pd.DataFrame:
    """A row an image and method; a method's diagnostics of one number an image are columns."""
    rows = []
    for name, (maps, diagnostics) in explained.items():
        metrics = {metric: score(maps.double(), masks).numpy() for metric, score in METRICS.items()}
        numbers = {key: value.double().numpy() for key, value in diagnostics.items() if value.ndim == 1}
        rows.append(described.assign(method=name, **metrics, **numbers))
    return pd.concat(rows, ignore_index=True)


def _maps(
    samples: Predicted,
    described: pd.DataFrame,
    explained: Mapping[str, tuple[Tensor, Diagnostics]],
    predicted_masks: Tensor,
) -> Maps:
    activations = {
        name: told["class_activation"].float().numpy()
        for name, (_, told) in explained.items()
        if "class_activation" in told
    }
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
        class_activation=activations,
    )
