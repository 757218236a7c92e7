"""What the commands that Hydra configures share: options anywhere, sweeps planned and judged, mistakes in one line.

Only what ``--help`` and ``--cfg job`` need is imported here; the rest comes when a run really starts.
"""

import os
import re
import sys
from argparse import Namespace
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.utils import get_args_parser
from hydra.errors import HydraException
from hydra.plugins.sweeper import Sweeper
from omegaconf.errors import OmegaConfBaseException

from xairank.config import CONFIGURATION, composition_message, is_trainer_argument
from xairank.console import print_error
from xairank.errors import UserError
from xairank.stopping import interruption

if TYPE_CHECKING:
    from xairank.experiment.jobs import Job


# Keys whose value is a path, or several in a sweep.
PATHS = (
    *("data.root", "data.table", "data.images", "data.masks"),
    *(
        "model.encoder_weights",
        "model.weights",
        "model.path",
        "maps",
        "predictions",
        "images",
        "masks",
        "output",
        "folder",
    ),
)
_WITH_VALUE = ("--config-dir", "-cd", "--config-path", "-cp", "--config-name", "-cn", "--package", "-p", "--cfg", "-c")
_SWEEPS = ("train", "rank")
_INSTEAD = {
    "explain": "it takes many images in one call: a folder, a glob, or images=[a.png,b.png]",
    "dashboard": "it shows all runs of its folder in one call",
}


def run_command(job: Callable[[], object], config_name: str, mistakes: list[UserError]) -> None:
    """Runs Hydra; what it finds wrong becomes one line.

    Args:
        job: The function that Hydra calls with each configuration.
        config_name: Its configuration.
        mistakes: Where ``job`` leaves the mistake of a single run: Hydra would print its own words around an exception.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # hands us the exception instead of a printed trace
    sys.argv[1:] = _arguments(sys.argv[1:])
    mistakes.clear()
    if config_name not in _SWEEPS:
        _refuse_sweep(config_name)
    jobs = _plan(config_name)
    try:
        settled = _settled(jobs or [])
        if not jobs or len(settled) < len(jobs):
            with _composed_once(jobs, settled):
                job()
    except UserError:  # of a sweep that could not be planned
        raise
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(composition_message(error, config_name)) from None
    except Exception as error:
        if not jobs or interruption(error):
            raise
        print_error(UserError(f"the launcher failed: {type(error).__name__}: {error}"))
    if mistakes:
        raise mistakes[0]
    _report_failures(jobs or [])


def _arguments(given: Sequence[str]) -> list[str]:
    """The arguments as Hydra takes them.

    It takes options only before all overrides and ``-m`` only behind them, and an argument of Lightning's Trainer that
    the configuration does not list only as ``++trainer.x=1``; the same holds for ``model.arguments``.
    """
    options, sweep, overrides = [], [], []
    rest = iter(given)
    for argument in rest:
        if argument in ("-m", "--multirun"):
            sweep.append(argument)
        elif argument.startswith("-"):
            options += [argument, *([next(rest, "")] if argument in _WITH_VALUE else [])]
        else:
            key = argument.partition("=")[0]
            is_open = "=" in argument and (is_trainer_argument(key) or key.startswith("model.arguments"))
            overrides.append(f"++{argument}" if is_open else _quoted(argument))
    return [*options, *overrides, *sweep]


def _quoted(override: str) -> str:
    """An override of a path with the path in quotes, where it holds what Hydra would read otherwise, as ``seed=42``.

    A comma stands between several paths, unless a path with the comma exists.
    """
    key, equals, value = override.partition("=")
    is_one = "," in value and Path(value).exists()
    odd = is_one or re.search(r"[=\[\](){} ]", value)
    if key.lstrip("+") not in PATHS or not odd or re.match(r"[\"'$\[]", value):
        return override
    parts = [value] if is_one else value.split(",")
    return f"{key}{equals}" + ",".join(f'"{part}"' for part in parts)


def _plan(config_name: str) -> "list[Job] | None":
    """The jobs of the sweep that the command asks for, checked; None for a single run and what cannot be planned."""
    arguments, _ = get_args_parser().parse_known_args()
    if not _is_sweep(arguments):
        return None
    from xairank.experiment.jobs import check_jobs, plan

    extra = [f"hydra.searchpath=[{Path(arguments.config_dir).resolve()}]"] if arguments.config_dir else []
    jobs = plan(
        [*arguments.overrides, *extra],
        config_dir=arguments.config_path or str(CONFIGURATION),
        config_name=arguments.config_name or config_name,
    )
    if jobs:
        check_jobs(jobs)
    return jobs


def _settled(jobs: "Sequence[Job]") -> set[tuple[str, ...]]:
    """The overrides of runs that are complete, which no launcher need start; says so of each."""
    from xairank.experiment.task import is_settled, run

    done = [(job, job.folder) for job in jobs if job.folder and not job.failure and is_settled(job.folder)]
    for _, folder in done:
        run(folder)
    return {job.overrides for job, _ in done}


@contextmanager
def _composed_once(jobs: "Sequence[Job] | None", settled: Collection[tuple[str, ...]] = ()) -> Iterator[None]:
    """Hydra's sweep without the runs that are settled, and without its check that every other one can be composed.

    Where all could be planned they have been composed, which takes a fifth of a second each.
    """
    check = Sweeper.validate_batch_is_legal  # of the base class: Hydra imports its own sweeper a second time

    def reduce_and_check(sweeper: Sweeper, batch: list[Sequence[str]]) -> None:
        batch[:] = [overrides for overrides in batch if tuple(overrides) not in settled] or batch[:1]  # never none
        if not all(job.folder for job in jobs or []):
            check(sweeper, batch)

    if jobs:
        setattr(Sweeper, check.__name__, reduce_and_check)
    try:
        yield
    finally:
        setattr(Sweeper, check.__name__, check)


def _refuse_sweep(config_name: str) -> None:
    """Refuses ``-m`` where one call does it all."""
    arguments, _ = get_args_parser().parse_known_args()
    if _is_sweep(arguments):
        raise UserError(f"-m: python -m xairank.{config_name} has no sweep, {_INSTEAD[config_name]}; remove -m")


def _is_sweep(arguments: Namespace) -> bool:
    asked = arguments.help or arguments.hydra_help or arguments.cfg or arguments.info or arguments.shell_completion
    return not asked and (arguments.multirun or "hydra.mode=MULTIRUN" in arguments.overrides)


def _report_failures(jobs: "Sequence[Job]") -> None:
    """Ends with status 2 where a run has no result, with a line for each reason."""
    common = set(jobs[0].overrides).intersection(*(job.overrides for job in jobs)) if len(jobs) > 1 else set()
    failed: dict[str, list[str]] = {}
    for job in jobs:
        if failure := job.failure:
            failed.setdefault(failure, []).append(",".join(one for one in job.overrides if one not in common))
    if not failed:
        _report_sweeps({job.folder.path.parent: job.folder.config for job in jobs if job.folder})
        return
    number = sum(map(len, failed.values()))
    lines = [f"{'; '.join(names)}: {failure}" for failure, names in failed.items()]
    print(f"xairank: {number} of {len(jobs)} runs of the sweep failed:", *lines, sep="\n  ", file=sys.stderr)
    sys.exit(2)


def _report_sweeps(sweeps: Mapping[Path, Mapping[str, Any]]) -> None:
    """The answer over all runs of each sweep, its report, and its summary in the tracker, if any.

    Args:
        sweeps: The configuration of one of its runs, by the sweep's folder.
    """
    if sweeps:
        from xairank.report.ending import report_sweep

        for folder, config in sorted(sweeps.items(), key=lambda one: one[0]):
            sweep, results = report_sweep(folder)
            print(f"Tables: python -m xairank.tables name={folder.name}")
            if config.get("logger", {}).get("_target_"):
                from xairank.tracking.sweep import log_sweep

                log_sweep(config["logger"], sweep, results)
