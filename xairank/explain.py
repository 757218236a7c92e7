"""``python -m xairank.explain``: images and a network -> overlays, maps, and what the network says of each image."""

import sys

import hydra
from omegaconf import DictConfig

from xairank.config import CONFIGURATION
from xairank.console import command
from xairank.errors import UserError
from xairank.hydra_command import run_command
from xairank.stopping import interruption

_mistakes: list[UserError] = []


@hydra.main(config_path=str(CONFIGURATION), config_name="explain", version_base="1.3")
def _job(config: DictConfig) -> None:
    from xairank.experiment.task import execute_explaining

    if mistake := execute_explaining(config):
        _mistakes.append(mistake)


@command
def main() -> None:
    """Explains images."""
    try:
        run_command(_job, "explain", _mistakes)
    except (Exception, KeyboardInterrupt) as error:
        if (stop := interruption(error)) is None:
            raise
        print(stop.line("nothing was written"), file=sys.stderr, flush=True)
        sys.exit(stop.status)


if __name__ == "__main__":
    main()
