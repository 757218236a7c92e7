"""What happens during and after training: an epoch's metrics to a file, explanations at the end."""

import time
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from xairank.attribution import AttributionMethod, FrozenModel, freeze
from xairank.console import console, progress
from xairank.data.datamodule import DefectDataModule
from xairank.experiment.batch_limits import remembered_batch_limit
from xairank.experiment.scoring import score_samples
from xairank.experiment.summary import print_summary
from xairank.models import MultitaskModule
from xairank.ranking.wins import Ties
from xairank.runs.folder import RunFolder
from xairank.runs.maps import join_maps, write_maps

SPLITS = ("train", "test")
METRICS = ("loss", "classification_loss", "mask_loss", "balanced_accuracy")
FIRST_COLUMNS = ["seed", "fold", "split", "sample", "label", "predicted"]


class MetricsCallback(Callback):
    """Writes ``metrics.csv`` after each epoch; its rows travel in the checkpoint, so a resumed run keeps them."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.epochs: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Adds the epoch's row."""
        names = [f"{split}_{metric}" for split in SPLITS for metric in METRICS]
        row = {name: float(trainer.callback_metrics[name]) for name in names}
        self.epochs.append({"epoch": trainer.current_epoch, **row})
        self.folder.write_metrics(self.epochs)

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"epochs": self.epochs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up the rows of a checkpoint."""
        self.epochs = list(state_dict["epochs"])


class ProgressCallback(Callback):
    """One bar for the whole training, with the last epoch's balanced accuracy, that vanishes when training ends."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Shows the bar, at the step where a resumed training begins."""
        self.bar = progress()
        total = trainer.num_training_batches * (trainer.max_epochs or 1)
        self.task = self.bar.add_task("Training", total=total, completed=trainer.global_step)
        self.bar.start()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        """Moves the bar."""
        self.bar.update(self.task, completed=trainer.global_step)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Says how well the epoch ended."""
        accuracy = trainer.callback_metrics["test_balanced_accuracy"]
        epoch = f"Epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        self.bar.update(self.task, description=f"{epoch}, test balanced accuracy {accuracy:.2f}")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Takes the bar away."""
        self.bar.stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Takes the bar away, so that the error is readable."""
        if hasattr(self, "bar"):
            self.bar.stop()


class AttributionCallback(Callback):
    """At fit end: explains, scores and ranks the correctly classified defects of both splits, and fills the run folder.

    Args:
        folder: The run folder.
        methods: The attribution methods by name.
        batch_limit: Largest batch in one pass, or ``auto`` for the fastest.
        keep_maps: Whether ``maps.npz`` is written.
        ties: ``shared`` or ``first``, how ties between methods share a win.
        record: What ``run.json`` says besides this callback's own seconds.
    """

    def __init__(
        self,
        folder: RunFolder,
        methods: Mapping[str, AttributionMethod],
        *,
        batch_limit: int | str,
        keep_maps: bool,
        ties: Ties,
        record: dict[str, Any],
    ) -> None:
        self.folder = folder
        self.methods = methods
        self.batch_limit = batch_limit
        self.keep_maps = keep_maps
        self.ties = ties
        self.record = record

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts the clock."""
        self._started = time.perf_counter()

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Explains, writes the files of the run and prints the ranking."""
        assert isinstance(pl_module, MultitaskModule)
        trained = time.perf_counter()
        data: DefectDataModule = trainer.datamodule  # type: ignore[attr-defined]
        pl_module.eval()
        frozen = self._freeze(pl_module, data)
        with progress() as bar:
            task = bar.add_task("Explaining", total=len(data.table))
            parts = [
                score_samples(
                    frozen,
                    data.evaluation_dataloader(split),
                    data.table,
                    data.classes,
                    self.methods,
                    predict_masks=pl_module.predict_masks if self.keep_maps else None,
                    advance=lambda samples: bar.advance(task, samples),
                )
                for split in SPLITS
            ]
        self.record["batch_limit"] = frozen.batch_limit  # lower than it began, where memory ended
        scores = self._with_run([table for part in parts for table in part.scores])
        excluded = self._with_run([table for part in parts for table in part.excluded])
        self.folder.write_table("scores.parquet", scores)
        self.folder.write_table("excluded.csv", excluded)
        maps = [some for part in parts for some in part.maps]
        if maps:
            write_maps(self.folder.path / "maps.npz", join_maps(maps))
        self.record["seconds"].update(training=trained - self._started, attribution=time.perf_counter() - trained)
        self.folder.finish(self.record)
        print_summary(console, scores, excluded, list(self.methods), self.ties)
        console.print(f"Results: {self.folder.path}", highlight=False, soft_wrap=True)

    def _freeze(self, pl_module: MultitaskModule, data: DefectDataModule) -> FrozenModel:
        images = next(iter(data.evaluation_dataloader("test", batch_size=1))).images.to(pl_module.device)
        frozen = freeze(pl_module.model, images)
        limit = remembered_batch_limit(frozen, images) if self.batch_limit == "auto" else self.batch_limit
        frozen.batch_limit = int(limit)
        return frozen

    def _with_run(self, tables: list[pd.DataFrame]) -> pd.DataFrame:
        """One table with the run's seed and fold in front."""
        columns = [*FIRST_COLUMNS, *dict.fromkeys(column for table in tables for column in table if column != "split")]
        whole = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=FIRST_COLUMNS)
        whole = whole.assign(seed=self.folder.config["seed"], fold=self.folder.config["data"]["fold"])
        return whole[list(dict.fromkeys(columns))]
