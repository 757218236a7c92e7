"""A logger of Lightning that interrupts runs: no part of a run's identity, so that their results must stay the same."""

from pathlib import Path

from pytorch_lightning.loggers.logger import DummyLogger

from tests.engines.interruptions import interrupt


class InterruptingLogger(DummyLogger):
    """Notes the epochs of a run in ``epochs-<seed>.txt`` of the working folder, and interrupts its second, once."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def log_metrics(self, metrics, step=None):
        if "train_loss" not in metrics:
            return
        path = Path(f"epochs-{self.seed}.txt")
        before = path.read_text() if path.is_file() else ""
        path.write_text(f"{before}{step}\n")
        if before == "0\n":
            interrupt(self.seed)
