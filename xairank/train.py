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

from xairank.config import CONFIGURATION, composition_message, require_keys, validate
from xairank.console import command, console, print_error
from xairank.errors import UserError

# Hydra would print its own words around an exception, so a user's mistakes are collected here and told by main().
_mistakes: list[UserError] = []
_failures: list[str] = []  # of a sweep, a line a run


@hydra.main(config_path=str(CONFIGURATION), config_name="train", version_base="1.3")
def _job(config: DictConfig) -> None:
    job = HydraConfig.get()
    try:
        run(config, list(job.overrides.task))
    except UserError as error:
        if job.mode != RunMode.MULTIRUN:
            _mistakes.append(error)
            return
        print_error(error)  # at once; the other runs of the sweep go on
        _failures.append(f"{job.job.override_dirname}: {error}")
    except Exception as error:
        if job.mode != RunMode.MULTIRUN:
            raise
        traceback.print_exc()
        _failures.append(f"{job.job.override_dirname}: {type(error).__name__}: {error}")


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
    require_keys(plain)
    validate(plain)
    from xairank.runs.folder import RunFolder, run_label

    folder = RunFolder(Path("multirun") / plain["name"] / run_label(overrides, plain["seed"]), plain)
    if folder.complete:
        folder.claim()
        console.print(f"{folder.path}: complete, skipped", highlight=False, soft_wrap=True)
        if HydraConfig.get().mode != RunMode.MULTIRUN:  # whoever repeats a single run wants to see what it found
            from xairank.experiment.summary import print_run

            print_run(console, folder.path, plain)
        return folder.path
    from xairank.experiment.run import run_experiment

    try:
        run_experiment(folder)
    except Exception as error:
        if HydraConfig.get().mode == RunMode.MULTIRUN:  # a single run tells its user, a sweep also its folder
            folder.fail(str(error) if isinstance(error, UserError) else traceback.format_exc())
        raise
    return folder.path


@command
def main() -> None:
    """Runs Hydra; what it finds wrong becomes one line."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # hands us the exception instead of a printed trace
    _mistakes.clear()
    _failures.clear()
    try:
        _job()
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(composition_message(error)) from None
    if _mistakes:
        raise _mistakes[0]
    if _failures:
        print(f"xairank: {len(_failures)} runs of the sweep failed:", *_failures, sep="\n  ", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
