"""Lightning's trainer by the keys of ``trainer``, and the fit, which resumes from a checkpoint."""

import inspect
import logging
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.plugins.io import TorchCheckpointIO
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch.multiprocessing import ProcessRaisedException

from xairank.attribution.protocol import is_out_of_memory
from xairank.config import is_trainer_argument, unknown_key
from xairank.data.datamodule import DefectDataModule
from xairank.errors import UserError
from xairank.experiment.sharing import cause_in_process
from xairank.files import atomic
from xairank.models import MultitaskModule
from xairank.runs.identity import count_devices

Config = Mapping[str, Any]


def create_trainer(config: Config, callbacks: list[pl.Callback]) -> pl.Trainer:
    """Lightning's trainer, silent; the callbacks show what a person needs.

    Args:
        config: Of the run; ``trainer`` holds arguments of Lightning's Trainer.
        callbacks: Of the run.

    Raises:
        UserError: An unknown argument, or a value that Lightning refuses.
    """
    options = config["trainer"]
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for harmless in (
        "does not have many workers",
        "Checkpoint directory .* exists",
        "isinstance.treespec, LeafSpec",
        "The .srun. command is available",
        *(["GPU available but not used"] if options["accelerator"] == "cpu" else []),
    ):
        warnings.filterwarnings("ignore", f".*{harmless}")
    _check_arguments(options)
    several = count_devices(options["devices"]) > 1
    _check_shares(config)
    # In deterministic mode PyTorch also fills all new memory, a twelfth of a training step, for code that reads what it
    # never wrote.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        return pl.Trainer(
            # Processes that this run starts, as those of "ddp" would each be the whole command again.
            **{"log_every_n_steps": 1, **({"strategy": "ddp_spawn"} if several else {}), **options},
            callbacks=callbacks,
            # A run is one job of a cluster, which it need not know of: Lightning would take its tasks for its own.
            # On Slurm, Lightning would write another checkpoint, into the working folder, queue the job again by
            # itself, and start the next run, of another seed, from that checkpoint.
            plugins=[AtomicCheckpointIO(), LightningEnvironment()],
            logger=False,  # xairank.tracking logs the rows of metrics.csv, and what comes after the training
            enable_checkpointing=bool(callbacks),
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,  # the data module shares its batches out
        )
    except (MisconfigurationException, TypeError, ValueError) as error:
        raise _refusal(options, error) from None


def devices_of(trainer: pl.Trainer) -> list[torch.device]:
    """Where a trainer computes."""
    return getattr(trainer.strategy, "parallel_devices", None) or [trainer.strategy.root_device]


def _check_shares(config: Config) -> None:
    """That each device has a share of every batch."""
    size, count = config["data"]["batch_size"], count_devices(config["trainer"]["devices"])
    if size < 2 * count:
        raise UserError(
            f"data.batch_size={size}: {count} devices share every batch; expected at least {2 * count}, two images for "
            "each, or a smaller trainer.devices"
        )


def _check_arguments(options: Config) -> None:
    """Checks that Lightning's Trainer has these arguments, and that no text stands for a number."""
    parameters = inspect.signature(pl.Trainer).parameters
    known = [f"trainer.{name}" for name in parameters]
    for name, value in options.items():
        key = f"trainer.{name}"
        if not is_trainer_argument(key):
            continue
        if key not in known:
            raise UserError(unknown_key(key, known))
        kind = parameters[name].annotation
        expected = getattr(kind, "__name__", "") if isinstance(kind, type) else str(kind).replace("typing.", "")
        # Lightning finds out in the middle of the training, and does not say which argument it was.
        if isinstance(value, str) and "str" not in expected and "Literal" not in expected:
            raise UserError(f"{key}={value} is not allowed: expected {expected}, as Lightning's Trainer has it")


def _refusal(options: Config, error: Exception) -> UserError:
    """What Lightning does not take, with the key that it names; otherwise with all that are not of every run."""
    reason = " ".join(str(error).split()).rstrip(".")
    named = [name for name in options if re.search(rf"\b{name}\b", reason)]
    if isinstance(error, MisconfigurationException) and not named and "ccelerator" in reason:
        named = ["accelerator"]
    others = [name for name in options if is_trainer_argument(f"trainer.{name}")]
    keys = " ".join(f"trainer.{name}={options[name]}" for name in named[:1] or others or ["accelerator"])
    advice = "try trainer.accelerator=auto" if keys.startswith("trainer.accelerator") else "see Lightning's Trainer"
    return UserError(f"{keys}: {reason}; {advice}")


def fit(
    trainer: pl.Trainer, module: MultitaskModule, data: DefectDataModule, checkpoint: Path, options: Config
) -> None:
    """Trains, from the last checkpoint where there is one.

    Raises:
        UserError: The checkpoint cannot be read, or Lightning refuses a key of ``trainer``, the ``options``.
    """
    resume = checkpoint.is_file()
    if resume:
        load_checkpoint(checkpoint)
    try:
        trainer.fit(module, datamodule=data, ckpt_path=str(checkpoint) if resume else None, weights_only=True)
    except MisconfigurationException as error:
        raise _refusal(options, error) from None
    except ValueError as error:  # what depends on the number of batches
        if any(is_trainer_argument(f"trainer.{name}") and name in str(error) for name in options):
            raise _refusal(options, error) from None
        raise
    except ProcessRaisedException as error:  # in the process of one of several devices
        cause = cause_in_process(error)
        if is_out_of_memory(cause):
            raise _no_memory(trainer.strategy.root_device.type, data.batch_size) from None
        raise cause from None
    except (RuntimeError, MemoryError) as error:
        if "deterministic" in str(error):
            raise _not_deterministic(error) from None
        if is_out_of_memory(error):
            raise _no_memory(trainer.strategy.root_device.type, data.batch_size) from None
        if "</torch_" in str(error):
            raise UserError(
                f"trainer.devices={options['devices']}: the shared memory of processes, /dev/shm, is too small (of a "
                "container, --shm-size or --ipc=host say how large it is); enlarge it, or use trainer.devices=1"
            ) from None
        raise
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):  # which Lightning has made an end of the program
            raise error.__context__ from None
        raise
    data.trainer = None  # the data goes on to the processes that explain, and a trainer cannot


def _no_memory(device: str, batch_size: int) -> UserError:
    """What a user can do where training needs more memory than there is."""
    fewer = f"data.batch_size={batch_size // 2}" if batch_size > 1 else "a smaller data.image_size"
    precision = "" if device == "cpu" else ", or trainer.precision=bf16-mixed"
    return UserError(
        f"data.batch_size={batch_size}: training needs more memory than there is ({device}); try {fewer}{precision}; "
        "epochs that are finished are kept"
    )


def _not_deterministic(error: Exception) -> UserError:
    """What a user can do about an operation that has no deterministic form."""
    operation = str(error).split(" ", 1)[0]
    return UserError(
        f"trainer.deterministic=true: {operation} has no deterministic form on this device; set "
        "trainer.deterministic=warn to go on with what differs from run to run, or trainer.accelerator=cpu"
    )


def load_checkpoint(path: Path) -> dict[str, Any]:
    """What a checkpoint holds, on the CPU.

    Raises:
        UserError: It cannot be read.
    """
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # zip, pickle and I/O faults all mean the same to a user
        raise UserError(f"{path}: cannot be read ({type(error).__name__}); delete it to train this run again") from None
    return checkpoint


def drop_optimizer(path: Path) -> None:
    """Leaves the optimizer's state, two thirds of a checkpoint, out of that of a finished training."""
    checkpoint = load_checkpoint(path)
    if any(checkpoint["optimizer_states"]):
        with atomic(path) as temporary:
            _save({**checkpoint, "optimizer_states": []}, temporary)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place, then renames it; Lightning would copy it from the temporary folder."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None) -> None:
        """Saves a checkpoint that is whole or not there."""
        with atomic(Path(path)) as temporary:
            _save(checkpoint, temporary)


def _save(checkpoint: dict[str, Any], path: Path) -> None:
    """Saves through Python's file: PyTorch's own does not say why it cannot write.

    Raises:
        OSError: The system refuses, as where the disk is full.
    """
    try:
        with path.open("wb") as file:
            torch.save(checkpoint, file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):  # which the archive that is not whole then hides
            raise error.__context__ from None
        raise
