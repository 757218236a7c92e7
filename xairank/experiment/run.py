"""One run, the order of things: data, model, training, explanation, the files of the run folder."""

import io

import numpy as np
import pandas as pd
import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint
from rich.console import Console

from xairank.attribution import describe_methods
from xairank.attribution.acceleration.memory import freed_memory_kept
from xairank.config import is_trainer_argument
from xairank.console import console
from xairank.data.datamodule import DefectDataModule
from xairank.errors import UserError
from xairank.evaluation import describe_measures, describe_metrics
from xairank.experiment.callbacks import DivergenceCallback, MetricsCallback, ProgressCallback
from xairank.experiment.classifier import Classifier
from xairank.experiment.clock import Clock
from xairank.experiment.environment import describe_environment
from xairank.experiment.explaining import Explained, costs_record, explain_run, no_maps
from xairank.experiment.parts import Parts
from xairank.experiment.suited import suited_methods
from xairank.experiment.summary import print_run
from xairank.experiment.trainer import create_trainer, devices_of, drop_optimizer, fit, load_checkpoint
from xairank.experiment.wiring import (
    create_data,
    create_measures,
    create_methods,
    create_metrics,
    create_module,
    load_encoder,
    weights_content,
)
from xairank.files import sha256
from xairank.models import MultitaskModule
from xairank.runs.folder import RunFolder
from xairank.runs.identity import count_devices
from xairank.schema import to_record
from xairank.tracking import Record, open_record
from xairank.tracking.results import log_run, parameters_of

# What devices may differ by when they compute a score, as a share of the largest; on the same CPU scores are the same.
SAME_SCORE = 0.01


def run_experiment(folder: RunFolder) -> None:
    """Trains, explains and ranks; leaves a complete run folder.

    Raises:
        UserError: What only the user can fix.
    """
    config = folder.config
    methods, metrics, measures = create_methods(config), create_metrics(config), create_measures(config)
    record = open_record(config["logger"], folder.path, config["name"])
    checkpointing = ModelCheckpoint(
        folder.checkpoint.parent,
        filename=folder.checkpoint.stem,
        enable_version_counter=False,
        save_on_train_epoch_end=True,  # also after an epoch that is not evaluated
    )
    several = count_devices(config["trainer"]["devices"]) > 1
    # What devices train in processes of their own is logged with the results, from metrics.csv.
    track = _later if several else record.epochs
    watching = [ProgressCallback(), DivergenceCallback(), MetricsCallback(folder, track)]
    trainer = create_trainer(config, [*watching, checkpointing])
    devices = devices_of(trainer)
    pl.seed_everything(config["seed"], verbose=False)
    encoder = load_encoder(config)
    clock = Clock()
    data = create_data(config)
    clock.stop("data")
    module = create_module(config, encoder, data)
    suited = suited_methods(methods, module.model)
    fingerprint = data.fingerprint()
    folder.claim(data=fingerprint)
    with record:
        record.parameters(parameters_of(config))
        with freed_memory_kept():
            clock.start()
            fit(trainer, module, data, folder.checkpoint, config["trainer"])
            clock.stop("training")
            _check_trained(folder)
            parts = Parts(folder, sha256(folder.checkpoint), with_maps=config["attribution"]["keep_maps"])
            classifier = _classifier(module.to(devices[0]), data)
            explained = explain_run(config, classifier, data, suited, metrics, measures, parts, devices)
        folder.write_table("scores.parquet", explained.scores)
        folder.write_table("excluded.csv", explained.excluded)
        if explained.variants is not None:
            folder.write_table("variants.parquet", explained.variants)
        if config["attribution"]["keep_maps"]:
            parts.write_maps(folder.maps, no_maps(data, suited))
        clock.stop("attribution")
        drop_optimizer(folder.checkpoint)
        folder.finish(
            {
                "classes": data.classes,
                "methods": to_record(describe_methods(suited)),
                "metrics": to_record(describe_metrics(metrics)),
                "measures": to_record(describe_measures(measures)),
                "data": fingerprint,
                "images": data.content(),
                "encoder": weights_content(config),
                **describe_environment(devices[0]),
                "devices": len(devices),
                "batch_limit": explained.batch_limit,
                "costs": costs_record(explained.costs),
                "left_out": [name for name in methods if name not in suited],
                "seconds": clock.seconds,
            }
        )
        parts.delete()
        _log_results(record, folder)
    print_run(console, folder)
    console.print(f"Results: {folder.path}", highlight=False, soft_wrap=True)


def _log_results(record: Record, folder: RunFolder) -> None:
    """Hands the tracker what the run's files and its summary say."""
    words = io.StringIO()
    print_run(Console(file=words, width=120), folder)
    rows: list[dict[str, float]] = [
        {str(name): value for name, value in row.items()}
        for row in pd.read_csv(folder.path / "metrics.csv").to_dict("records")
    ]
    record.end(rows, lambda tracker: log_run(tracker, folder, words.getvalue()))


def _later(_: object) -> None:
    """Logs nothing yet: the epochs come with the results."""


def add_maps(folder: RunFolder) -> None:
    """Makes the maps of a complete run that was not to keep them, from its checkpoint; nothing else is changed.

    Raises:
        UserError: The data is not that of the run, or the scores of the maps are not those of the run.
    """
    config = folder.config
    methods, metrics, measures = create_methods(config), create_metrics(config), create_measures(config)
    devices = devices_of(create_trainer(config, []))
    pl.seed_everything(config["seed"], verbose=False)
    data = create_data(config)
    if data.fingerprint() != folder.record["data"]:
        raise UserError(
            f"{folder.path}: the images, masks or split have changed since this run ended, so that its maps cannot be "
            "made; restore them, or set attribution.keep_maps=false"
        )
    module = create_module(config, load_encoder(config, pretrained=False), data)
    module.load_state_dict(load_checkpoint(folder.checkpoint)["state_dict"])
    methods = suited_methods(methods, module.model, quiet=True)
    clock = Clock()
    parts = Parts(folder, sha256(folder.checkpoint), with_maps=True)
    with freed_memory_kept():
        classifier = _classifier(module.to(devices[0]), data)
        explained = explain_run(config, classifier, data, methods, metrics, measures, parts, devices)
    check_agreement(folder, explained, list(metrics))
    parts.write_maps(folder.maps, no_maps(data, methods))
    clock.stop("maps")
    folder.amend({"seconds": {**folder.record["seconds"], **clock.seconds}})
    parts.delete()
    console.print(f"{folder.path}: complete, maps added", highlight=False, soft_wrap=True)


def check_agreement(folder: RunFolder, explained: Explained, metrics: list[str]) -> None:
    """Compares scores that were computed again with those of the run.

    Raises:
        UserError: Other images are ranked, or a score is another one.
    """
    keys = ["split", "sample", "method"]
    before = pd.read_parquet(folder.path / "scores.parquet").set_index(keys)[metrics].sort_index()
    now = explained.scores.set_index(keys)[metrics].sort_index()
    if before.index.equals(now.index):
        differences = np.abs(before.to_numpy(float) - now.to_numpy(float))
        if (differences <= SAME_SCORE * np.abs(before.to_numpy(float)).max(axis=0, initial=1)).all():
            return
        found = f"a score differs by {differences.max():.3f}"
    else:
        found = f"{len(before.index.symmetric_difference(now.index))} rows are in one of them only"
    raise UserError(
        f"{folder.path}: its maps, made now, do not have the scores that the run wrote ({found}); make them on "
        f"{folder.record.get('device')}, where the run was explained, or run again with another name=..."
    )


def _check_trained(folder: RunFolder) -> None:
    if not folder.checkpoint.is_file():
        options = folder.config["trainer"].items()
        limits = [f"trainer.{key}={value}" for key, value in options if is_trainer_argument(f"trainer.{key}")]
        raise UserError(f"{' '.join(limits)}: no epoch was trained; remove what ends training before one is over")


def _classifier(module: MultitaskModule, data: DefectDataModule) -> Classifier:
    module.eval()
    return Classifier(module.model, data.classes, module.predict_masks)
