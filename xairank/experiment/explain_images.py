"""Explains images: reads them once, predicts, explains and writes batch by batch, then draws what was written."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from torch import Tensor

from xairank.attribution import AttributionMethod, Explanation, FrozenModel, describe_methods
from xairank.attribution.acceleration.memory import freed_memory_kept
from xairank.console import console, print_line, progress, tracker
from xairank.data.images import View
from xairank.data.loose_images import LooseImage, find_images
from xairank.experiment.classifier import Classifier, load_classifier
from xairank.experiment.clock import Clock
from xairank.experiment.environment import describe_environment
from xairank.experiment.explain_config import Config, check_target, in_keys_of_explain, what_is_explained
from xairank.experiment.explain_reading import read_images
from xairank.experiment.explain_summary import print_explained
from xairank.experiment.explainer import (
    as_tensor,
    explain_batch,
    freeze_classifier,
    numbers_of,
    overlap_with,
    predict_images,
)
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
    first = as_tensor([folder.read_seen(images[0].key).image])
    model = freeze_classifier(classifier, first, config["attribution"]["batch_limit"])
    explainer = _Explainer(model, classifier.classes, methods, config["target"])
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


def _explained(
    folder: ExplanationFolder, explainer: _Explainer, images: Sequence[LooseImage], batch_size: int
) -> Iterator[Record]:
    """Explains all images and writes their maps; yields what the manifest says of each."""
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        seen = [folder.read_seen(one.key) for one in batch]
        started = time.perf_counter()
        probabilities, targets, explained = _explain(explainer, seen, [one.key for one in batch])
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
                    name: _write(folder, name, one.key, maps[place], mask) | numbers_of(diagnostics, place)
                    for name, (maps, diagnostics) in explained.items()
                },
                "seconds": seconds,
            }


def _explain(
    explainer: _Explainer, seen: Sequence[Seen], keys: Sequence[str]
) -> tuple[Tensor, list[int], dict[str, Explanation]]:
    """Probabilities (B, classes) float64, the classes that are explained, and by method maps and diagnostics."""
    images = as_tensor([one.image for one in seen]).to(next(explainer.model.parameters()).device)
    predicted = predict_images(explainer.model, images, explainer.classes, explainer.target, keys)
    explained = explain_batch(explainer.methods, explainer.model, images, predicted.targets, keys)
    return predicted.probabilities, predicted.targets.tolist(), explained


def _write(
    folder: ExplanationFolder, method: str, key: str, attribution: Tensor, mask: NDArray[np.bool_] | None
) -> Record:
    """Writes a map; what the manifest says of it, with its brightest value before all maps are known."""
    values = attribution.numpy()
    return {
        "topk_overlap": overlap_with(mask, attribution),
        **folder.write_map(method, key, values),
        "brightest": brightest(values),
    }


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
