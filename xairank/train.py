"""``python -m xairank.train``: one configuration -> one finished run; with ``-m``, a sweep of them.

Only what ``--help`` and ``--cfg job`` need is imported here; the rest comes when a run really starts.
"""

import os
import sys
import traceback
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from xairank.config import CONFIGURATION, composition_message, is_trainer_argument
from xairank.console import command, console, print_error
from xairank.errors import UserError

if TYPE_CHECKING:
    from xairank.experiment.jobs import Job
    from xairank.runs.folder import RunFolder

# Hydra would print its own words around an exception, so a single run's mistake is left here for main().
_mistakes: list[UserError] = []
_reported: set[str] = set()  # by this process; of a sweep, the same line is printed once


@hydra.main(config_path=str(CONFIGURATION), config_name="train", version_base="1.3")
def _job(config: DictConfig) -> None:
    from xairank.experiment.jobs import run_folder

    overrides = list(HydraConfig.get().overrides.task)
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        _run_in_sweep(config, overrides)
        return
    try:
        folder = run_folder(config, overrides)
        if run(folder):
            return
        from xairank.experiment.summary import print_run

        print_run(console, folder)  # whoever repeats a single run wants to see what it found
    except UserError as error:
        _mistakes.append(error)


def run(folder: "RunFolder") -> bool:
    """Trains, explains and ranks, or adds the maps that a complete run lacks, or leaves it as it is.

    Args:
        folder: The run's folder, with its configuration.

    Returns:
        Whether there was something to do.

    Raises:
        UserError: A value, a file or a folder that only the user can fix.
    """
    if folder.begun:
        folder.claim()
    complete = folder.complete
    if complete and (folder.maps.is_file() or not folder.config["attribution"]["keep_maps"]):
        console.print(f"{folder.path}: complete, skipped", highlight=False, soft_wrap=True)
        return False
    from xairank.experiment.preflight import check_run

    check_run(folder.config, folder.path)
    from xairank.experiment.run import add_maps, run_experiment

    if complete:
        add_maps(folder)
    else:
        run_experiment(folder)
    return True


def _run_in_sweep(config: DictConfig, overrides: Sequence[str]) -> None:
    """A run whose failure is reported at once and left in its folder; the other runs go on."""
    from xairank.experiment.jobs import SWEEPER, run_folder

    folder = None
    try:
        folder = run_folder(config, overrides)
        run(folder)
    except Exception as error:
        if isinstance(error, UserError):
            report = str(error)
            if report not in _reported:
                print_error(error)
                _reported.add(report)
        else:
            report = traceback.format_exc()
            traceback.print_exc()
        if folder is not None:
            folder.fail(report)
        if HydraConfig.get().sweeper.get("_target_") != SWEEPER:  # its jobs were not planned, so main() cannot see them
            raise


@command
def main() -> None:
    """Runs Hydra; what it finds wrong becomes one line."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # hands us the exception instead of a printed trace
    sys.argv[1:] = [_open_to_the_trainer(argument) for argument in sys.argv[1:]]
    _mistakes.clear()
    _reported.clear()
    jobs = _plan()
    try:
        _job()
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(composition_message(error)) from None
    except Exception as error:
        if not jobs:
            raise
        print_error(UserError(f"the launcher failed: {type(error).__name__}: {error}"))
    if _mistakes:
        raise _mistakes[0]
    _report_failures(jobs or [])


def _open_to_the_trainer(argument: str) -> str:
    """``++trainer.x=1`` for ``trainer.x=1``: Hydra takes the other arguments of Lightning's Trainer only so."""
    key, equals, _ = argument.partition("=")
    return f"++{argument}" if equals and is_trainer_argument(key) else argument


def _plan() -> "list[Job] | None":
    """The jobs of the sweep that the command asks for, checked; None for a single run and what cannot be planned."""
    arguments, _ = get_args_parser().parse_known_args()
    if not _is_sweep(arguments):
        return None
    from xairank.experiment.jobs import check_jobs, plan

    extra = [f"hydra.searchpath=[{Path(arguments.config_dir).resolve()}]"] if arguments.config_dir else []
    jobs = plan(
        [*arguments.overrides, *extra],
        config_dir=arguments.config_path or str(CONFIGURATION),
        config_name=arguments.config_name or "train",
    )
    if jobs:
        check_jobs(jobs)
    return jobs


def _is_sweep(arguments: Namespace) -> bool:
    asked = arguments.help or arguments.hydra_help or arguments.cfg or arguments.info or arguments.shell_completion
    return not asked and (arguments.multirun or "hydra.mode=MULTIRUN" in arguments.overrides)


def _report_failures(jobs: "Sequence[Job]") -> None:
    """Ends with status 2 where a run has no result, with a line for each reason."""
    failed: dict[str, list[str]] = {}
    for job in jobs:
        if failure := job.failure:
            failed.setdefault(failure, []).append(job.overrides)
    if not failed:
        return
    number = sum(map(len, failed.values()))
    lines = [f"{'; '.join(overrides)}: {failure}" for failure, overrides in failed.items()]
    print(f"xairank: {number} of {len(jobs)} runs of the sweep failed:", *lines, sep="\n  ", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
