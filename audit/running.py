"""Runs the cells of the grid: what is complete is skipped, several processes at once, a failure stops no other run."""

import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from audit.grid import PREFIX, Cell, Places
from audit.worker import Worker
from xairank.experiment.jobs import Job, plan


@dataclass(frozen=True)
class Selection:
    """What of the grid is run.

    Attributes:
        cells: The cells.
        seeds: Of these only; empty for all of each cell.
        folds: Of these only; empty for all.
        overrides: Of Hydra, behind those of every cell.
        prefix: Of the names of the sweeps.
    """

    cells: Sequence[Cell]
    seeds: Sequence[int] = ()
    folds: Sequence[int] = ()
    overrides: Sequence[str] = ()
    prefix: str = PREFIX

    def runs(self, cell: Cell) -> list[tuple[int, int]]:
        """Seed and fold of each run of a cell: all folds of the first seed, then those of the next one."""
        seeds = [seed for seed in cell.seeds if not self.seeds or seed in self.seeds]
        folds = [fold for fold in cell.folds if not self.folds or fold in self.folds]
        return [(seed, fold) for seed in seeds for fold in folds]


@dataclass(frozen=True)
class Run:
    """One run of the grid, that knows whether it is complete."""

    cell: Cell
    seed: int
    fold: int
    job: Job

    def __str__(self) -> str:
        return f"{self.cell.key} seed {self.seed} fold {self.fold}"


def runs_of(selection: Selection, places: Places) -> Iterator[Run]:
    """The runs of the selection, in the order in which they are run, each cell planned when it is come to.

    The networks that a cell ranks on other data must be complete by then; of those that are not it has no run.

    Raises:
        UserError: A configuration cannot be composed.
    """
    for cell in selection.cells:
        if cell.trained is None:
            yield from _runs(selection, cell, places)
            continue
        trained = Selection([cell.trained], selection.seeds, selection.folds, selection.overrides, selection.prefix)
        for run in _runs(trained, cell.trained, places):
            if run.fold in cell.folds and run.job.folder is not None and not run.job.failure:
                command = [*cell.command(places, selection.prefix), f'model.path="{run.job.folder.path}"']
                (job,) = plan(command, config_name="rank") or []
                yield Run(cell, run.seed, run.fold, job)


def _runs(selection: Selection, cell: Cell, places: Places) -> Iterator[Run]:
    """Those of a sweep of ``python -m xairank.train``."""
    runs = selection.runs(cell)
    if not runs:
        return
    seeds, folds = (",".join(map(str, dict.fromkeys(values))) for values in zip(*runs, strict=True))
    command = [*cell.command(places, selection.prefix), *selection.overrides]
    jobs = plan([*command, f"seed={seeds}", f"data.fold={folds}"]) or []
    for (seed, fold), job in zip(runs, jobs, strict=True):
        yield Run(cell, seed, fold, job)


def run_all(
    runs: Iterator[Run],
    log: Path,
    *,
    processes: int = 1,
    minutes: float | None = None,
    say: Callable[[str], object] = print,
) -> None:
    """Runs what is not complete; what fails, or does not fit into the time, is not complete afterwards.

    Args:
        runs: In the order in which they start.
        log: The folder that takes what the processes print.
        processes: At once.
        minutes: After which nothing is started and what runs is ended; None for no limit.
        say: Takes a line about each run that ends.
    """
    if processes > 1:  # processes that share the cores through threads wait for one another
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    ends = math.inf if minutes is None else time.monotonic() + 60 * minutes
    turn = threading.Lock()

    def take() -> Run | None:
        with turn:
            return next((run for run in runs if run.job.failure and run.job.folder), None)

    def work(number: int) -> None:
        with Worker(log / f"{number}.log") as worker:
            while (started := time.monotonic()) < ends and (run := take()):
                assert run.job.folder is not None
                verdict = worker.run(run.job.folder, None if minutes is None else ends - started)
                say(f"{run}: {verdict} in {time.monotonic() - started:.0f} s")

    with ThreadPoolExecutor(processes) as pool:
        list(pool.map(work, range(processes)))


def lacking(runs: Iterable[Run]) -> list[str]:
    """Why each run without a result has none, in one line each."""
    return [f"{run}: {run.job.failure}" for run in runs if run.job.failure]
