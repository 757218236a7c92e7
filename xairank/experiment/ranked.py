"""One run that trains nothing: the methods are ranked for a network that exists, or the maps that exist."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
import pytorch_lightning as pl
import torch

from xairank.attribution import AttributionMethod, describe_methods
from xairank.attribution.acceleration.memory import freed_memory_kept
from xairank.console import console, print_line, progress
from xairank.data.datamodule import DefectDataModule
from xairank.errors import UserError
from xairank.evaluation import Metric, describe_measures, describe_metrics
from xairank.experiment.classifier import (
    Classifier,
    check_order,
    check_outputs,
    load_classifier,
)
from xairank.experiment.clock import Clock
from xairank.experiment.environment import describe_environment
from xairank.experiment.explaining import Samples, costs_record, explain_run, no_maps
from xairank.experiment.foreign_maps import FileMaps, score_map_files
from xairank.experiment.parts import Parts
from xairank.experiment.prediction import predict_logits
from xairank.experiment.probing import without_model
from xairank.experiment.ranked_config import read_run
from xairank.experiment.suited import suited_methods
from xairank.experiment.summary import print_run
from xairank.experiment.wiring import (
    create_data,
    create_image_controls,
    create_measures,
    create_methods,
    create_metrics,
)
from xairank.files import expand_user
from xairank.names import display_name
from xairank.runs.folder import RunFolder
from xairank.schema import MethodFacts, to_record


def rank_run(folder: RunFolder) -> None:
    """Explains, or reads maps, and ranks; leaves a complete run folder.

    Raises:
        UserError: What only the user can fix.
    """
    config = folder.config
    clock = Clock()
    pl.seed_everything(config["seed"], verbose=False)
    metrics = create_metrics(config)
    if config["maps"]:
        metrics = without_model(metrics, config["ranking"]["metric"])
        data = create_data(config)
        clock.stop("data")
        _rank_maps(folder, data, metrics, clock)
    else:
        methods, device = create_methods(config), choose_device(config["device"])
        data = create_data(config)
        _check_data_of_training(config, data)
        clock.stop("data")
        classifier = load_classifier(config, data.classes, device)
        clock.stop("network")
        rank_classifier(folder, classifier, data, methods, metrics, clock)
    print_run(console, folder)
    print_line(f"Results: {folder.path}")


def _check_data_of_training(config: Mapping[str, Any], data: DefectDataModule) -> None:
    """That a run's images are still those it was trained on, as the folds say which of them it has not seen."""
    if config["model"]["source"] != "run":
        return
    path = expand_user(config["model"]["path"])
    trained = read_run(path)
    keys = ("category", "image_size", "crop", "mask_threshold")
    if any(config["data"][key] != trained.config["data"][key] for key in keys):
        return
    if data.content() != trained.record.get("images", data.content()):
        raise UserError(
            f"model.path={path}: was trained on other images or masks than data.category={config['data']['category']} "
            "has now, so that which of them it has not seen is not known; restore them, or give these another name, "
            "data.category=NAME, by which all of them are test images"
        )


def is_outdated(folder: RunFolder) -> bool:
    """Whether the network of a complete run, which code alone makes, has changed since."""
    record = folder.record
    classifier = load_classifier(folder.config, record["classes"], torch.device("cpu"))
    return classifier.content() != record["network"]


def rank_classifier(
    folder: RunFolder,
    classifier: Classifier,
    data: Samples,
    methods: Mapping[str, AttributionMethod],
    metrics: Mapping[str, Metric],
    clock: Clock,
    classes_key: str = "model.classes",
) -> None:
    """Explains and scores what a network classifies correctly; leaves a complete run folder.

    Raises:
        UserError: What only the user can fix.
    """
    config, keep_maps = folder.config, folder.config["attribution"]["keep_maps"]
    check_classifier(classifier, data, classes_key)
    suited, measures = suited_methods(methods, classifier.network), create_measures(config)
    fingerprint = data.fingerprint()
    folder.claim()
    network = classifier.content()
    parts = Parts(folder, hashlib.sha256(f"{network} {fingerprint}".encode()).hexdigest(), with_maps=keep_maps)
    with freed_memory_kept():
        explained = explain_run(config, classifier, data, suited, metrics, measures, parts)
    if keep_maps:
        parts.write_maps(folder.maps, no_maps(data, suited))
    clock.stop("attribution")
    if explained.variants is not None:
        folder.write_table("variants.parquet", explained.variants)
    finish_ranking(
        folder,
        data,
        explained.scores,
        explained.excluded,
        describe_methods(suited),
        metrics,
        {
            "classes": classifier.classes,
            "measures": to_record(describe_measures(measures)),
            "network": network,
            "layer": getattr(classifier.network, "layer", None),
            "left_out": [name for name in methods if name not in suited],
            **describe_environment(classifier.device),
            "batch_limit": explained.batch_limit,
            "costs": costs_record(explained.costs),
        },
        clock,
    )
    parts.delete()


def _rank_maps(folder: RunFolder, data: DefectDataModule, metrics: Mapping[str, Metric], clock: Clock) -> None:
    """Scores maps in files; leaves a complete run folder."""
    maps = FileMaps(folder.config, data)
    folder.claim()
    controls = create_image_controls(folder.config, maps.methods)
    scores, variants, excluded = score_map_files(folder, data, maps, controls, metrics)
    if folder.config["attribution"]["ladder"]:
        folder.write_table("variants.parquet", variants)
    clock.stop("scoring")
    methods = describe_maps(folder.config, maps.methods) | describe_methods(controls)
    record = {"classes": data.classes, "network": folder.weights, **describe_environment(torch.device("cpu"))}
    finish_ranking(folder, data, scores, excluded, methods, metrics, record, clock)


def describe_maps(config: Mapping[str, Any], names: Iterable[str]) -> dict[str, MethodFacts]:
    """What maps are called and how they are drawn: as the method of the configuration that has their name, if any."""
    known = describe_methods(create_methods(config))
    plain = {name: MethodFacts(display_name(name)) for name in names}
    return {name: MethodFacts(known[name].label, known[name].color) if name in known else plain[name] for name in plain}


def finish_ranking(
    folder: RunFolder,
    data: Samples,
    scores: pd.DataFrame,
    excluded: pd.DataFrame,
    methods: Mapping[str, MethodFacts],
    metrics: Mapping[str, Metric],
    record: Mapping[str, Any],
    clock: Clock,
) -> None:
    """Writes the tables of a run and, last, its record.

    Args:
        folder: Of the run.
        data: What was explained.
        scores: What ``scores.parquet`` holds.
        excluded: What ``excluded.csv`` holds.
        methods: What is known of the methods.
        metrics: The metrics.
        record: What else ``run.json`` says.
        clock: The seconds of each phase.
    """
    folder.write_table("scores.parquet", scores)
    folder.write_table("excluded.csv", excluded)
    folder.finish(
        {
            "methods": to_record(methods),
            "metrics": to_record(describe_metrics(metrics)),
            "data": data.fingerprint(),
            "images": data.content(),
            **record,
            "seconds": clock.seconds,
        }
    )


def choose_device(name: str) -> torch.device:
    """The device of this name; ``auto`` is the accelerator, where there is one.

    Raises:
        UserError: The machine has no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    device = torch.device(name)
    found = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}[device.type]
    if not found or (device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()):
        raise UserError(f"device={name}: this machine has none that PyTorch can use; choose device=cpu or auto")
    return device


def check_classifier(classifier: Classifier, data: Samples, key: str) -> None:
    """Predicts all images once, before hours of explaining: is there a name for each output, and the right one?

    Raises:
        UserError: There is not.
    """
    labels: list[str] = []
    predicted: list[str] = []
    with progress() as bar:
        task = bar.add_task("Predicting", total=len(data.table))
        for split in data.splits:
            for batch in data.evaluation_dataloader(split):
                logits = predict_logits(classifier.network, batch.images.to(classifier.device))
                check_outputs(classifier.classes, logits.shape[1], key)
                rows = data.table.iloc[batch.rows.numpy()]
                if not bool(logits.isfinite().all()):
                    sample = rows["sample"].iloc[int((~logits.isfinite()).any(dim=1).nonzero()[0])]
                    raise UserError(
                        f"the network's logits of {sample} are NaN or infinite; check its weights, model.mean and "
                        "model.std"
                    )
                labels += rows["label"].tolist()
                predicted += [classifier.classes[index] for index in logits.argmax(dim=1).tolist()]
                bar.advance(task, len(batch.rows))
    check_order(classifier.classes, labels, predicted, key)
