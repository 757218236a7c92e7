"""An application of Hydra whose jobs do nothing but note that they began and ended, and are interrupted in between."""

from pathlib import Path

import hydra

from tests.engines.interruptions import interrupt
from xairank.config import CONFIGURATION
from xairank.experiment.launchers import prefer_own_files


@hydra.main(config_path=str(CONFIGURATION), config_name="train", version_base="1.3")
def job(config):
    log = Path(f"{config.seed}.txt")
    before = log.read_text() if log.is_file() else ""
    log.write_text(f"{before}began\n")
    if not before:
        interrupt(config.seed)
    log.write_text(f"{before}began\nended\n")


if __name__ == "__main__":
    prefer_own_files()
    job()
