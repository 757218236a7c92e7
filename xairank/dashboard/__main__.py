"""``python -m xairank.dashboard``: drop in an image, choose a network and methods, see the maps."""

import os
import sys
from importlib.util import find_spec
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from xairank.config import CONFIGURATION, require_keys, validate
from xairank.console import command
from xairank.errors import UserError
from xairank.hydra_command import run_command
from xairank.stopping import StoppedError, stopped

_mistakes: list[UserError] = []


@hydra.main(config_path=str(CONFIGURATION), config_name="dashboard", version_base="1.3")
def _job(config: DictConfig) -> None:
    try:
        _check_extra()
        plain: dict[str, Any] = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)  # type: ignore[assignment]
        require_keys(plain)
        validate(plain)
        from xairank.dashboard.server import serve  # seconds to import, which help and mistakes need not wait for
        from xairank.experiment.ranked_config import keys_of

        serve(plain, keys_of(HydraConfig.get().overrides.task))
    except UserError as error:
        _mistakes.append(error)
    except KeyboardInterrupt as error:
        _end(stopped(error))


def _end(asked: StoppedError) -> None:
    """Ends the process at once, as nothing is written: a long batch, or a network that is loaded, would keep it."""
    print(asked.line("nothing was written"), file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(asked.status)


def _check_extra() -> None:
    """Checks that what the extra installs is there.

    Raises:
        UserError: It is not.
    """
    missing = [name for name in ("panel", "plotly") if find_spec(name) is None]
    if missing:
        raise UserError(f"{' and '.join(missing)}: not installed; the dashboard needs pip install 'xairank[dashboard]'")


@command
def main() -> None:
    """Serves the dashboard."""
    run_command(_job, "dashboard", _mistakes)


if __name__ == "__main__":
    main()
