"""Wires a run: data, model, training, explanation. No logic of its own."""

import logging
import platform
import subprocess
import time
import warnings
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import Logger
from pytorch_lightning.plugins.io import TorchCheckpointIO
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch import nn

from xairank.attribution import AttributionMethod
from xairank.attribution.acceleration.memory import freed_memory_kept
from xairank.console import ConsoleMonitor, print_line, tracker
from xairank.data.datamodule import DefectDataModule
from xairank.data.download import download_category
from xairank.data.index import PLACES, Source
from xairank.data.synthetic import SyntheticCategory, render_category
from xairank.errors import UserError
from xairank.experiment.callbacks import AttributionCallback, MetricsCallback, ProgressCallback
from xairank.files import atomic, expand_user
from xairank.models import EncoderDecoder, MultitaskModule
from xairank.models.encoder import check_encoder, create_encoder
from xairank.runs.folder import RunFolder

Config = Mapping[str, Any]


def run_experiment(folder: RunFolder) -> None:
    """Trains, explains and ranks; leaves a complete run folder.

    Cheap checks come first, so that a mistake in the configuration is told before data is read, and one in the data
    before anything is written.

    Raises:
        UserError: Whatever the user must mend.
    """
    config = folder.config
    check_encoder(config["model"]["encoder"])
    methods = create_methods(config["attribution"]["methods"])
    record: dict[str, Any] = {**describe_environment(), "seconds": {}}
    callbacks = [
        ProgressCallback(),
        MetricsCallback(folder),
        AttributionCallback(
            folder,
            methods,
            batch_limit=config["attribution"]["batch_limit"],
            keep_maps=config["attribution"]["keep_maps"],
            ties=config["ranking"]["ties"],
            record=record,
        ),
        ModelCheckpoint(folder.checkpoint.parent, filename=folder.checkpoint.stem, enable_version_counter=False),
    ]
    trainer = create_trainer(config, callbacks)
    record["device"] = str(trainer.strategy.root_device)
    pl.seed_everything(config["seed"], verbose=False)
    encoder = load_encoder(config)
    started = time.perf_counter()
    data = create_data(config)
    record["seconds"]["data"] = time.perf_counter() - started
    module = create_module(config, encoder, data)
    record["data"] = data.fingerprint()
    folder.claim(data=record["data"])
    with freed_memory_kept():
        fit(trainer, module, data, folder.checkpoint)


def create_methods(entries: Config) -> dict[str, AttributionMethod]:
    """The attribution methods by name, from ``attribution.methods``."""
    methods = {}
    for name, entry in entries.items():
        try:
            methods[name] = instantiate(entry)
        except InstantiationException as error:
            cause = " ".join(str(error.__cause__ or error).split()).partition(" Are you sure")[0]
            raise UserError(f"attribution.methods.{name}: {cause}; mend the entry or remove it") from None
    return methods


def create_data(config: Config) -> DefectDataModule:
    """The data module, set up; a synthetic category is rendered first where it is not there yet."""
    options = dict(config["data"])
    synthetic = options.pop("synthetic")
    source = Source.from_options(options)
    if synthetic is not None:
        render_category(source.place, SyntheticCategory(**synthetic), track=tracker("Rendering images"))
    elif options["download"] and source.root and not source.place.exists():
        download_category(source.root, source.category, ConsoleMonitor())
    knobs = {key: value for key, value in options.items() if key not in ("category", "download", *PLACES)}
    data = DefectDataModule(source=source, seed=config["seed"], track=tracker("Decoding images"), **knobs)
    data.setup()
    for notice in data.notices:
        print_line(f"Note: {notice}")
    return data


def load_encoder(config: Config) -> nn.Module:
    """The encoder with its weights."""
    options = config["model"]
    weights = options["encoder_weights"] and expand_user(options["encoder_weights"])
    return create_encoder(
        options["encoder"], pretrained=options["pretrained"], weights=weights, monitor=ConsoleMonitor()
    )


def create_module(config: Config, encoder: nn.Module, data: DefectDataModule) -> MultitaskModule:
    """The model for the classes of the data, ready to train."""
    options = config["model"]
    model = EncoderDecoder(
        encoder,
        len(data.classes),
        options["decoder_channels"],
        config["data"]["image_size"],
        normalize=options["normalize"],
    )
    counts = data.class_counts()
    balanced = counts.sum() / (len(counts) * counts)
    return MultitaskModule(
        model,
        len(data.classes),
        beta=options["beta"],
        mask_loss=options["mask_loss"],
        class_weights=balanced if options["class_weights"] == "balanced" else None,
        lr=options["lr"],
        seed=config["seed"],
    )


def create_trainer(config: Config, callbacks: list[pl.Callback]) -> pl.Trainer:
    """Lightning's trainer, deterministic and silent; the callbacks show what a person needs."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for harmless in ("does not have many workers", "Checkpoint directory .* exists", "isinstance.treespec, LeafSpec"):
        warnings.filterwarnings("ignore", f".*{harmless}")
    options = config["trainer"]
    logger = config["logger"]
    try:
        return pl.Trainer(
            max_epochs=options["max_epochs"],
            accelerator=options["accelerator"],
            precision=options["precision"],
            devices=1,
            deterministic=True,
            callbacks=callbacks,
            plugins=[AtomicCheckpointIO()],
            logger=_create_logger(logger) if logger.get("_target_") else False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
        )
    except MisconfigurationException as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"trainer.accelerator={options['accelerator']}: {reason}; try trainer.accelerator=auto"
        ) from None


def _create_logger(entry: Config) -> Logger:
    try:
        logger: Logger = instantiate(entry)
    except InstantiationException as error:
        cause = " ".join(str(error.__cause__ or error).split()).partition(" Are you sure")[0]
        raise UserError(f"logger: {cause}; install what it needs, or choose logger=none") from None
    return logger


def fit(trainer: pl.Trainer, module: MultitaskModule, data: DefectDataModule, checkpoint: Path) -> None:
    """Trains, from the last checkpoint where there is one.

    Raises:
        UserError: The checkpoint cannot be read.
    """
    resume = str(checkpoint) if checkpoint.is_file() else None
    if resume:
        try:
            torch.load(resume, map_location="cpu", weights_only=True, mmap=True)
        except Exception as error:  # zip, pickle and I/O faults all mean the same to a user
            raise UserError(
                f"{checkpoint}: cannot be read ({type(error).__name__}); delete it to train this run anew"
            ) from None
    trainer.fit(module, datamodule=data, ckpt_path=resume, weights_only=True)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place, then renames it; Lightning would copy it from the temporary folder."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None) -> None:
        """Saves a checkpoint that is whole or not there."""
        with atomic(Path(path)) as temporary:
            torch.save(checkpoint, temporary)


def describe_environment() -> dict[str, Any]:
    """Versions and revision, for ``run.json``."""
    packages = ("xairank", "torch", "torchvision", "pytorch-lightning", "timm", "torchmetrics", "numpy", "pandas")
    versions = {"python": platform.python_version(), **{name: metadata.version(name) for name in packages}}
    return {"versions": versions, "git_revision": _git_revision(), "platform": platform.platform()}


def _git_revision() -> str | None:
    """The revision of the checkout this package runs from; None for an installed package."""
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
