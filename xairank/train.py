"""``python -m xairank.train``: one configuration -> one finished run; with ``-m``, a sweep of them."""

import hydra
from omegaconf import DictConfig

from xairank.config import CONFIGURATION
from xairank.console import command
from xairank.errors import UserError
from xairank.hydra_command import run_command

_mistakes: list[UserError] = []


@hydra.main(config_path=str(CONFIGURATION), config_name="train", version_base="1.3")
def _job(config: DictConfig) -> None:
    # Imported here: joblib's launcher pickles this function with whatever else it names.
    from xairank.experiment.task import execute

    if mistake := execute(config):
        _mistakes.append(mistake)


@command
def main() -> None:
    """Trains, explains and ranks."""
    run_command(_job, "train", _mistakes)


if __name__ == "__main__":
    main()
