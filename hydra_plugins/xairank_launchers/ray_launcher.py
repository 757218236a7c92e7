"""Ray: the runs of a sweep are tasks of its client.

Hydra's own plug-in, hydra-ray-launcher, wants releases of cloudpickle and python-dateutil that are too old for others
that xairank needs, and does not start again what died.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, setup_globals


class RayLauncher(BasicLauncher):
    """Runs each job of a sweep as a task of Ray.

    Args:
        init: Arguments of ``ray.init``.
        remote: Options of each task, as ``ray.remote`` takes them.
    """

    def __init__(self, init: Mapping[str, Any], remote: Mapping[str, Any]) -> None:
        super().__init__()
        self.init = dict(init)
        self.remote = dict(remote)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Starts a task for each list of overrides and waits until all have ended, whatever became of them."""
        import ray

        folder, state = os.getcwd(), Singleton.get_state()
        with ray.init(**self.init):
            task = ray.remote(**self.remote)(_run)
            tasks = [
                task.remote(self, folder, state, texts, n) for n, texts in enumerate(job_overrides, initial_job_idx)
            ]
            ray.wait(tasks, num_returns=len(tasks))
        return [JobReturn(status=JobStatus.COMPLETED) for _ in tasks]  # what they left says how they ended


def _run(launcher: RayLauncher, folder: str, state: dict[Any, Any], overrides: Sequence[str], number: int) -> None:
    """A run, in a process of Ray."""
    os.chdir(folder)
    setup_globals()
    Singleton.set_state(state)
    BasicLauncher.launch(launcher, [overrides], number)
