"""Explains images: reads them once, predicts, explains and writes batch by batch, then draws what was written."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from xairank.attribution import (
    AttributionMethod,
    Explanation,
    FrozenModel,
    Model,
    NonFiniteError,
    describe_methods,
    explain,
    freeze,
)
from xairank.attribution.acceleration.batch_limit import default_batch_limit
from xairank.attribution.acceleration.memory import freed_memory_kept
from xairank.console import console, print_line, progress, tracker
from xairank.data.images import View
from xairank.data.loose_images import LooseImage, find_images
from xairank.errors import UserError
from xairank.evaluation import topk_overlap
from xairank.experiment.classifier import Classifier, check_outputs, load_classifier
from xairank.experiment.clock import Clock
from xairank.experiment.environment import describe_environment
from xairank.experiment.explain_config import PREDICTED, Config, check_target, in_keys_of_explain, what_is_explained
from xairank.experiment.explain_reading import read_images
from xairank.experiment.explain_summary import print_explained
from xairank.experiment.prediction import predict_logits
from xairank.experiment.ranked import choose_device
from xairank.experiment.suited import suited_methods
from xairank.experiment.trial import small_network, try_methods
from xairank.experiment.wiring import create_methods
from xairank.explanations.folder import ExplanationFolder, Seen, check_place, writing
from xairank.explanations.overlay import brightest
from xairank.files import expand_user

Record = dict[str, Any]


class _Explainer(NamedTuple):
    """A frozen network with its classes, methods, and the class to explain, or ``predicted``."""

    model: FrozenModel
    classes: list[str]
    methods: Mapping[str, AttributionMethod]
    target: str


def explain_images(config: Config) -> None:
    """Leaves a complete folder of explanations, or none.

    Args:
        config: Complete, see :func:`xairank.experiment.explain_config.complete_explaining`.

    Raises:
        UserError: What only the user can fix.
    """
    place = Path(os.path.abspath(expand_user(config["output"])))
    with in_keys_of_explain():
        check_place(place, what_is_explained(config), overwrite=config["overwrite"])
        given = config["images"] if isinstance(config["images"], list) else [config["images"]]
        images = find_images(given, config["masks"], without=place)
        methods = {name: method for name, method in create_methods(config).items() if not method.control}
        try_methods(methods, small_network())
        device = choose_device(config["device"])
        classifier = load_classifier({**config, "data": {"image_size": config["image_size"]}}, (), device)
        check_target(config["target"], classifier.classes)
        suited = suited_methods(methods, classifier.network)
        pl.seed_everything(config["seed"], verbose=False)
        with writing(place) as folder:
            manifest = _explain_into(folder, config, images, classifier, suited)
            manifest = {"left_out": [name for name in methods if name not in suited], **manifest}
            rows = manifest["images"]
            folder.finish([(row["image"], row["predicted"], row["probability"]) for row in rows], manifest)
    print_explained(console, manifest)
    print_line(f"Explanations: {os.path.relpath(place)}")


def _explain_into(
    folder: ExplanationFolder,
    config: Config,
    images: Sequence[LooseImage],
    classifier: Classifier,
    methods: Mapping[str, AttributionMethod],
) -> Record:
    """Writes maps and overlays; returns the manifest."""
    clock = Clock()
    read_images(folder, images, View(config["image_size"], config["crop"], config["mask_threshold"]))
    clock.stop("reading")
    explainer = _Explainer(_frozen(folder, config, images, classifier), classifier.classes, methods, config["target"])
    rows: list[Record] = []
    with freed_memory_kept():
        track = tracker("Explaining")
        rows += track(_explained(folder, explainer, images, config["batch_size"]), len(images))
    clock.stop("explaining")
    scales = _draw(folder, rows, common=config["scale"] == "common")
    clock.stop("drawing")
    facts = describe_methods(methods)
    options = config["attribution"]["methods"]
    return {
        "explained": what_is_explained(config),
        "classes": classifier.classes,
        "network": classifier.content(),
        "layer": getattr(classifier.network, "layer", None),
        "methods": {
            name: {"label": facts[name].label, "options": options[name], "brightest": scales[name]} for name in methods
        },
        "scale": config["scale"],
        "seconds": clock.seconds,
        **describe_environment(classifier.device),
        "batch_limit": explainer.model.batch_limit,
        "images": rows,
    }


def _frozen(
    folder: ExplanationFolder, config: Config, images: Sequence[LooseImage], classifier: Classifier
) -> FrozenModel:
    limit = config["attribution"]["batch_limit"]
    limit = default_batch_limit(classifier.device) if limit == "auto" else int(limit)
    first = _as_tensor([folder.read_seen(images[0].key)]).to(classifier.device)
    check_outputs(classifier.classes, predict_logits(classifier.network, first).shape[1], "model.classes")
    return freeze(cast(Model, classifier.network), first, batch_limit=limit)


def _explained(
    folder: ExplanationFolder, explainer: _Explainer, images: Sequence[LooseImage], batch_size: int
) -> Iterator[Record]:
    """Explains all images and writes their maps; yields what the manifest says of each."""
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        seen = [folder.read_seen(one.key) for one in batch]
        started = time.perf_counter()
        probabilities, targets, explained = _explain(explainer, _as_tensor(seen), [one.key for one in batch])
        seconds = (time.perf_counter() - started) / len(batch)
        for place, one in enumerate(batch):
            mask, row = seen[place].mask, probabilities[place].tolist()
            predicted = int(np.argmax(row))
            yield {
                "image": one.key,
                "file": str(one.image),
                "mask": None if one.mask is None else str(one.mask),
                "predicted": explainer.classes[predicted],
                "probability": row[predicted],
                "probabilities": dict(zip(explainer.classes, row, strict=True)),
                "explained": explainer.classes[targets[place]],
                "k": None if mask is None else int(mask.sum()),
                "topk_overlap_chance": None if mask is None or not mask.any() else float(mask.mean()),
                "methods": {
                    name: _write(folder, name, one.key, maps[place], mask)
                    | {key: _number(values[place]) for key, values in diagnostics.items() if values.ndim == 1}
                    for name, (maps, diagnostics) in explained.items()
                },
                "seconds": seconds,
            }


def _explain(
    explainer: _Explainer, images: Tensor, keys: Sequence[str]
) -> tuple[Tensor, list[int], dict[str, Explanation]]:
    """Probabilities (B, classes) float64, the classes that are explained, and by method maps and diagnostics."""
    images = images.to(next(explainer.model.parameters()).device)
    logits = predict_logits(explainer.model, images)
    finite = logits.isfinite().all(dim=1)
    if not bool(finite.all()):
        key = keys[int((~finite).nonzero()[0])]
        raise UserError(
            f"the network's logits of {key} are NaN or infinite; check the weights, model.mean and model.std"
        )
    probabilities = logits.double().softmax(dim=1)
    if explainer.target == PREDICTED:
        targets = probabilities.argmax(dim=1)
    else:
        targets = torch.full((len(images),), explainer.classes.index(explainer.target))
    try:
        explained = explain(explainer.methods, explainer.model, images, targets.to(images.device))
    except NonFiniteError as error:
        raise UserError(
            f"attribution.methods.{error.method}: {error.what} of {keys[error.image]} holds NaN or infinite values; "
            "check the weights, or remove the method's entry"
        ) from None
    on_host = {
        name: (maps.float().cpu(), {key: values.cpu() for key, values in diagnostics.items()})
        for name, (maps, diagnostics) in explained.items()
    }
    return probabilities, targets.tolist(), on_host


def _write(
    folder: ExplanationFolder, method: str, key: str, attribution: Tensor, mask: NDArray[np.bool_] | None
) -> Record:
    """Writes a map; what the manifest says of it, with its brightest value before all maps are known."""
    overlap = None
    if mask is not None and mask.any():
        overlap = float(topk_overlap(attribution.double()[None], torch.from_numpy(mask)[None]))
    values = attribution.numpy()
    return {"topk_overlap": overlap, **folder.write_map(method, key, values), "brightest": brightest(values)}


def _draw(folder: ExplanationFolder, rows: Sequence[Record], *, common: bool) -> dict[str, float | None]:
    """Draws all overlays; returns each method's value of the brightest colour, None where each image has its own."""
    scales: dict[str, float | None] = {}
    with progress() as bar:
        task = bar.add_task("Drawing", total=len(rows) * len(rows[0]["methods"]))
        for method in rows[0]["methods"]:
            scales[method] = max(row["methods"][method]["brightest"] for row in rows) if common else None
            for row in rows:
                record = row["methods"][method]
                record["brightest"] = scales[method] if common else record["brightest"]
                record["overlay"] = folder.write_overlay(method, row["image"], record["brightest"])
                bar.advance(task)
    return scales


def _as_tensor(seen: Sequence[Seen]) -> Tensor:
    """Images (B, 3, S, S) in [0, 1], as in training."""
    pixels = torch.from_numpy(np.stack([one.image for one in seen]))
    return pixels.permute(0, 3, 1, 2).to(torch.float32).div_(255)


def _number(value: Tensor) -> float | int | None:
    """As JSON holds it."""
    return value.item() if bool(value.isfinite()) else None
