"""``python -m xairank.train``: one configuration -> one finished run; with ``-m``, a sweep of them.

Only what ``--help`` and ``--cfg job`` need is imported here; the rest comes when a run really starts.
"""

import os
import sys
import traceback
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from xairank.config import composition_message, validate
from xairank.console import command, console, print_error
from xairank.errors import UserError

PACKAGE = Path(__file__).parent
# An installed wheel carries the configuration inside the package, a checkout beside it.
CONFIGURATION = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parent / "conf"

_failed: list[str] = []


@hydra.main(config_path=str(CONFIGURATION), config_name="train", version_base="1.3")
def _job(config: DictConfig) -> None:
    hydra_config = HydraConfig.get()
    if hydra_config.mode != RunMode.MULTIRUN:
        run(config, list(hydra_config.overrides.task))
        return
    try:
        run(config, list(hydra_config.overrides.task))
    except UserError as error:  # the other runs of a sweep go on
        print_error(error)
        _failed.append(f"{hydra_config.job.override_dirname}: {error}")
    except Exception as error:
        traceback.print_exc()
        _failed.append(f"{hydra_config.job.override_dirname}: {type(error).__name__}: {error}")


def run(config: DictConfig, overrides: list[str]) -> Path:
    """Trains, explains and ranks by ``config``, or leaves a complete run as it is.

    Args:
        config: As composed by Hydra.
        overrides: The overrides that name the run's folder.

    Returns:
        The run folder.

    Raises:
        UserError: A value, a file or a folder that the user must mend.
    """
    resolved = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(resolved, dict)
    plain = {str(key): value for key, value in resolved.items()}
    validate(plain)
    from xairank.runs import RunFolder, run_label

    folder = RunFolder(Path("multirun") / plain["name"] / run_label(overrides, plain["seed"]), plain)
    if folder.complete:
        folder.claim()
        console.print(f"{folder.path}: complete, skipped", highlight=False)
        return folder.path
    from xairank.experiment import run_experiment

    run_experiment(folder)
    return folder.path


@command
def main() -> None:
    """Runs Hydra; what it finds wrong becomes one line."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # hands us the exception instead of a printed trace
    _failed.clear()
    try:
        _job()
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(composition_message(error)) from None
    if _failed:
        print(f"xairank: {len(_failed)} runs of the sweep failed:", *_failed, sep="\n  ", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
