"""``xairank.rank_maps``: maps from anywhere, ranked as those that xairank makes."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from xairank.attribution import Explanation, describe_methods
from xairank.console import print_line
from xairank.data.map_files import resize_map
from xairank.data.predictions import misnamed_class
from xairank.errors import UserError
from xairank.experiment.clock import Clock
from xairank.experiment.environment import describe_environment
from xairank.experiment.explaining import with_run
from xairank.experiment.foreign_maps import from_images
from xairank.experiment.kept_maps import to_maps
from xairank.experiment.probing import without_model
from xairank.experiment.ranked import describe_maps, finish_ranking
from xairank.experiment.scoring import describe_masks, exclusion_reasons, score_maps
from xairank.experiment.wiring import create_image_controls, create_metrics
from xairank.interface.configuration import checked, composed, entries_of
from xairank.interface.networks import Metrics, as_metrics, choose_metric
from xairank.interface.ranking import Ranking
from xairank.interface.samples import MemorySamples, as_tensor, checked_images, checked_masks
from xairank.runs.folder import RunFolder
from xairank.runs.maps import write_maps
from xairank.schema import EXCLUDED_COLUMNS, SCORE_COLUMNS


def rank_maps(
    maps: Mapping[str, Any],
    masks: Any,  # noqa: ANN401 - a tensor or an array
    labels: Sequence[str] | None = None,
    images: Any = None,  # noqa: ANN401
    *,
    predicted: Sequence[str] | None = None,
    sign: str | None = None,
    metrics: Metrics = "plausibility",
    metric: str | None = None,
    keep_maps: bool = True,
) -> Ranking:
    """Ranks attribution maps that any tool made, by the masks of real defects.

    Args:
        maps: By method, (N, h, w), or (N, 1, h, w) as many tools give them; resized bilinearly to the masks.
        masks: (N, H, W), nonzero on the defect.
        labels: The class of each image, for results by class; by default all are "defect".
        images: (N, 3, H, W), for figures, for controls that read them, and to find near-duplicates; without them each
            image is a case of its own.
        predicted: The predicted class of each image: those that differ from ``labels`` are not ranked. By default all
            are taken as right.
        sign: What negative values mean: ``as_is`` ranks them below zero, ``abs`` takes their size, ``positive`` sets
            them to zero; None refuses them, as each gives another ranking.
        metrics: An option of the group ``evaluation``, or metrics by name.
        metric: The one that decides; by default ``topk_overlap``, or the first.
        keep_maps: Whether the maps are kept for figures of single images.

    Raises:
        UserError: The maps, masks, labels or images do not fit one another, or a map cannot be ranked.

    Example:
        >>> masks = torch.zeros(6, 32, 32, dtype=torch.bool)
        >>> masks[:, 8:16, 8:16] = True
        >>> noise = torch.rand(6, 32, 32, generator=torch.Generator().manual_seed(0))
        >>> ranking = rank_maps({"noise": noise, "mine": noise + masks}, masks)
        >>> ranking.table["method"].tolist(), ranking.table["score"].round(2).tolist()
        (['mine', 'noise'], [1.0, 0.06])
    """
    if not isinstance(maps, Mapping) or not maps:
        raise UserError(f"maps: found {type(maps).__name__}; expected a mapping, a method's name and its maps each")
    config = composed(*([f"evaluation={metrics}"] if isinstance(metrics, str) else []), "maps=given")
    if not isinstance(metrics, str):
        config["evaluation"]["metrics"] = entries_of(metrics)
    config |= {"data": {**config["data"], "category": "given"}, "maps_sign": sign}
    config["attribution"]["keep_maps"] = keep_maps
    choose_metric(config, metric)
    made_metrics = create_metrics(config) if isinstance(metrics, str) else as_metrics(metrics)
    made_metrics = without_model(made_metrics, config["ranking"]["metric"])
    found_masks = checked_masks(masks)
    count = len(found_masks)
    size = (found_masks.shape[1], found_masks.shape[2])
    ready = {str(name): _checked_maps(str(name), one, count, size, sign) for name, one in maps.items()}
    if predicted is not None and labels is None:
        raise UserError("predicted: found no labels to compare it with; give labels, the true class of each image")
    names = _texts("labels", labels, count) or ["defect"] * count
    shown = checked_images(images) if images is not None else torch.zeros(count, 3, *size)
    if tuple(shown.shape[2:]) != size or len(shown) != count:
        raise UserError(f"images: found shape {tuple(shown.shape)}; expected {(count, 3, *size)}, as the masks")
    samples = MemorySamples(shown, found_masks, names, distinct=images is None)
    controls = create_image_controls(config, ready)
    controls = {name: one for name, one in controls.items() if images is not None or not one.reads_image}
    clock = Clock()
    place = tempfile.TemporaryDirectory(prefix="xairank-")
    folder = RunFolder(Path(place.name) / f"maps,seed={config['seed']}", checked(config), samples.fingerprint())
    folder.claim()
    told = _texts("predicted", predicted, count) or names
    if wrong := misnamed_class(told, set(names)):
        raise UserError(
            f"predicted: found {wrong}, labels are {', '.join(sorted(set(names)))}; expected classes as labels has "
            "them, such as [classes[index] for index in predicted]"
        )
    table = _described(samples, told)
    ranked = (table["reason"] == "").to_numpy()
    rows = torch.tensor(ranked)
    described = table[ranked].drop(columns="reason").reset_index(drop=True)
    described = described.assign(**describe_masks(found_masks[rows])) if ranked.any() else described
    explained: dict[str, Explanation] = {name: (one[rows], {}) for name, one in ready.items()}
    beside = from_images(controls, shown[rows])
    scores = [score_maps(described, explained | beside, made_metrics, found_masks[rows])] if ranked.any() else []
    if keep_maps:
        write_maps(folder.maps, to_maps(described, shown[rows], found_masks[rows], explained, None))
    excluded = table[~ranked].drop(columns="probability")
    clock.stop("scoring")
    finish_ranking(
        folder,
        samples,
        with_run(config, scores, [*SCORE_COLUMNS, *made_metrics]),
        with_run(config, [excluded], EXCLUDED_COLUMNS),
        describe_maps(config, ready) | describe_methods(controls),
        made_metrics,
        {"classes": sorted(set(names)), "network": None, **describe_environment(torch.device("cpu"))},
        clock,
    )
    return Ranking(place.name, place)


def _checked_maps(name: str, maps: Any, count: int, size: tuple[int, int], sign: str | None) -> Tensor:  # noqa: ANN401
    """Maps (N, H, W) of one method, resized and with the rule for negative values applied."""
    key = f"maps[{name!r}]"
    found = as_tensor(key, maps).float()
    if found.ndim == 4 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim != 3 or len(found) != count or not found.numel():
        raise UserError(
            f"{key}: found shape {tuple(found.shape)}; expected ({count}, height, width), a map for each mask; reduce "
            "the channels to one"
        )
    if not bool(found.isfinite().all()):
        wrong = int((~found.isfinite()).flatten(1).any(dim=1).nonzero()[0])
        raise UserError(f"{key}: the map of image {wrong} holds NaN or infinite values; make it again without them")
    if sign is None and bool((found < 0).any()):
        raise UserError(
            f"{key}: has negative values, down to {found.min():.3g}; say what they mean with sign='as_is', 'abs' or "
            "'positive'"
        )
    found = found.abs() if sign == "abs" else found.clamp(min=0) if sign == "positive" else found
    if (constant := int((found.flatten(1).amax(dim=1) == found.flatten(1).amin(dim=1)).sum())) > 0:
        print_line(f"Note: {constant} of {count} maps of {name} are constant, and score as a random map.")
    if tuple(found.shape[1:]) == size:
        return found
    height, width = found.shape[1:]
    print_line(f"Note: maps of {name} are resized bilinearly from {height} x {width} to {size[0]} x {size[1]} pixels.")
    return torch.from_numpy(np.stack([resize_map(one.numpy(), size) for one in found]))


def _described(samples: MemorySamples, predicted: Sequence[str]) -> pd.DataFrame:
    """What ``scores.parquet`` says of each image, and the reason why it is not ranked."""
    k = samples.masks.flatten(1).sum(dim=1).numpy()
    table = samples.table.assign(predicted=list(predicted), probability=np.nan)
    return table.assign(reason=exclusion_reasons(table["label"], table["predicted"], pd.Series(k, table.index)))


def _texts(name: str, values: Any, count: int) -> list[str] | None:  # noqa: ANN401
    if values is None:
        return None
    texts = [str(value) for value in (values.tolist() if hasattr(values, "tolist") else values)]
    if len(texts) != count:
        raise UserError(f"{name}: found {len(texts)}; expected {count}, one for each mask")
    return texts
