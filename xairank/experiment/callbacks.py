"""What happens during training: an epoch's metrics to a file, a bar on the screen."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from xairank.console import progress
from xairank.errors import UserError
from xairank.runs.folder import RunFolder
from xairank.schema import METRIC_COLUMNS, SPLITS, TRAIN


class MetricsCallback(Callback):
    """Writes ``metrics.csv`` after each epoch; its rows travel in the checkpoint, so a resumed run keeps them.

    Args:
        folder: Of the run.
        track: Told all rows so far, an epoch each.
    """

    def __init__(self, folder: RunFolder, track: Callable[[Sequence[dict[str, float]]], None]) -> None:
        self.folder = folder
        self.track = track
        self.epochs: list[dict[str, float]] = []
        self._evaluated = False

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Notes that this epoch's test values are its own; Lightning keeps those of an earlier epoch."""
        self._evaluated = True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Adds the epoch's row; what was not evaluated, as trainer.check_val_every_n_epoch has it, is left empty."""
        splits = SPLITS if self._evaluated else [TRAIN]
        self._evaluated = False
        found = {name: value for name, value in trainer.callback_metrics.items() if name.startswith(tuple(splits))}
        row = {name: float(found[name]) if name in found else math.nan for name in METRIC_COLUMNS}
        self.epochs.append({**row, "epoch": trainer.current_epoch})
        if trainer.is_global_zero:
            self.folder.write_metrics(self.epochs)
            self.track(self.epochs)

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"epochs": self.epochs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up the rows of a checkpoint."""
        self.epochs = list(state_dict["epochs"])


class DivergenceCallback(Callback):
    """Ends a training whose loss is no number any more; the epochs before stay."""

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Mapping[str, Tensor],  # type: ignore[override] # of a module that Lightning optimises
        batch: object,
        batch_idx: int,
    ) -> None:
        """Looks at the loss of each batch.

        Raises:
            UserError: It is NaN or infinite.
        """
        if bool(outputs["loss"].isfinite()):
            return
        lower = f"model.lr={pl_module.lr:g}" if isinstance(pl_module.lr, float) else "model.lr"
        mixed = trainer.precision != "32-true"
        raise UserError(
            f"{lower}: training diverged, the loss of batch {batch_idx + 1} of epoch {trainer.current_epoch + 1} is "
            f"{float(outputs['loss'])}; lower it"
            + (f", or try trainer.precision=32-true instead of {trainer.precision}" if mixed else "")
        )


class ProgressCallback(Callback):
    """One bar for the whole training, with the last epoch's balanced accuracy, that vanishes when training ends."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Shows the bar, at the step where a resumed training begins; one for all devices."""
        self.bar = progress(shown=trainer.is_global_zero)
        total = trainer.num_training_batches * (trainer.max_epochs or 1)
        self.task = self.bar.add_task("Training", total=total, completed=_batches(trainer))
        self.bar.start()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        """Moves the bar."""
        self.bar.update(self.task, completed=_batches(trainer))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Says how well the epoch ended."""
        accuracy = trainer.callback_metrics.get("test_balanced_accuracy", math.nan)
        epoch = f"Epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        self.bar.update(self.task, description=f"{epoch}, test balanced accuracy {accuracy:.2f}")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Takes the bar away."""
        self.bar.stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Takes the bar away, so that the error is readable."""
        if hasattr(self, "bar"):
            self.bar.stop()


def _batches(trainer: pl.Trainer) -> int:
    """How many batches are done, of all epochs."""
    return trainer.fit_loop.total_batch_idx + 1
