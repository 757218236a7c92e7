"""What Hydra calls for each run, in whatever process its launcher chooses."""

import traceback
from collections.abc import Sequence

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from xairank.console import console, file_error, print_error, print_line
from xairank.errors import UserError
from xairank.experiment.jobs import SWEEPER, run_folder
from xairank.experiment.launchers import depend_on_the_command, let_workers_start_processes
from xairank.runs.folder import RunFolder
from xairank.runs.grouping import is_ranked_only
from xairank.stopping import interruption

_reported: set[str] = set()  # by this process; the same line of several runs of a sweep is printed once


def execute(config: DictConfig) -> UserError | None:
    """Runs a composed configuration, alone or as one of a sweep; returns a single run's mistake."""
    job = HydraConfig.get()
    overrides = list(job.overrides.task)
    if job.mode == RunMode.MULTIRUN:
        _run_in_sweep(config, overrides)
        return None
    try:
        folder = run_folder(config, overrides)
        if not run(folder):  # repeating a single run shows its results again
            from xairank.experiment.summary import print_run

            print_run(console, folder)
    except UserError as error:
        return error
    except OSError as error:
        if error.filename is None:
            raise
        return file_error(error)
    return None


def execute_explaining(config: DictConfig) -> UserError | None:
    """Explains the images of a composed configuration; returns the user's mistake."""
    from xairank.experiment.explain_config import complete_explaining

    try:
        completed = complete_explaining(config, list(HydraConfig.get().overrides.task))
        from xairank.experiment.explain_images import explain_images  # slow to import; mistakes above are quick

        explain_images(completed)
    except UserError as error:
        return error
    return None


def run(folder: RunFolder) -> bool:
    """Trains, or takes what exists; explains and ranks. A complete run that lacks only maps gets them.

    Args:
        folder: The run's folder, with its configuration.

    Returns:
        Whether there was something to do.

    Raises:
        UserError: A value, a file or a folder that only the user can fix.
    """
    folder.check_owner()
    if folder.complete and is_ranked_only(folder.config) and folder.weights is None:
        _check_network(folder)
    if not _is_done(folder):
        with folder.held():
            return _run_alone(folder)
    folder.tidy()
    print_line(f"{folder.path}: complete, skipped")
    return False


def is_settled(folder: RunFolder) -> bool:
    """Whether a run is complete for certain; that of a network that only code makes is looked at when it is made."""
    return _is_done(folder) and (folder.weights is not None or not is_ranked_only(folder.config))


def _is_done(folder: RunFolder) -> bool:
    """Whether a run is complete, with the maps where they are wanted."""
    return folder.complete and (folder.maps.is_file() or not folder.config["attribution"]["keep_maps"])


def _run_alone(folder: RunFolder) -> bool:
    """What :func:`run` does in a folder that no other process writes."""
    if folder.begun:
        folder.claim()
    if _is_done(folder):  # by another process, just now
        print_line(f"{folder.path}: complete, skipped")
        return False
    complete = folder.complete
    from xairank.experiment.preflight import check_run

    check_run(folder.config, folder.path)
    if is_ranked_only(folder.config):
        from xairank.experiment.ranked import rank_run

        rank_run(folder)  # also where it is complete without the maps that are wanted now
        return True
    from xairank.experiment.run import add_maps, run_experiment

    if complete:
        add_maps(folder)
    else:
        run_experiment(folder)
    return True


def _check_network(folder: RunFolder) -> None:
    """That the network of a complete run, which code alone makes, is the one that was ranked."""
    from xairank.experiment.ranked import is_outdated

    if is_outdated(folder):
        raise UserError(
            f"{folder.path}: model.factory={folder.config['model']['factory']} now builds another network than the one "
            "that was ranked; choose another sweep with name=..., or delete the folder"
        )


def _run_in_sweep(config: DictConfig, overrides: Sequence[str]) -> None:
    """A run whose failure is reported at once and left in its folder; the other runs continue."""
    let_workers_start_processes()
    folder = None
    depend_on_the_command()
    try:
        folder = run_folder(config, overrides)
        run(folder)
    except Exception as error:
        if stop := interruption(error):
            raise stop from None
        if isinstance(error, OSError) and error.filename is not None:
            error = file_error(error)
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
