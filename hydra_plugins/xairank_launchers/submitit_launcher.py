"""submitit, locally and on Slurm: Hydra's plug-in, but it waits for every job of the sweep.

The plug-in itself stops waiting at the first job that was killed, and leaves the others running; and it learns that a
Slurm job has ended from ``sacct``, which clusters without accounting do not have.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus

with suppress(ImportError):  # Hydra imports all of its plug-ins, also where submitit is not installed
    from hydra_plugins.hydra_submitit_launcher import submitit_launcher
    from submitit.core.core import Job
    from submitit.slurm.slurm import SlurmInfoWatcher, SlurmJob

    class LocalLauncher(submitit_launcher.LocalLauncher):
        """Runs the jobs of a sweep in processes of this machine."""

        def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
            """Starts a job for each list of overrides and waits until all have ended, whatever became of them."""
            return _launch(self, job_overrides, initial_job_idx)

    class SlurmLauncher(submitit_launcher.SlurmLauncher):
        """Submits the jobs of a sweep as one array of Slurm."""

        def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
            """Submits a job for each list of overrides and waits until all have ended, whatever became of them."""
            SlurmJob.watcher = QueueWatcher(delay_s=30)
            return _launch(self, job_overrides, initial_job_idx)

    class QueueWatcher(SlurmInfoWatcher):
        """Takes a job for ended once ``squeue`` no longer lists it: a requeued one stays there."""

        def _make_command(self) -> list[str]:
            return ["squeue", "--me", "--array", "--noheader", "--format=%i"]

        def read_info(self, string: bytes | str) -> dict[str, dict[str, str]]:
            """The state of each job by what ``squeue`` prints, an identifier a line."""
            listed = (string if isinstance(string, str) else string.decode()).split()
            return {job: {"State": "RUNNING" if job in listed else "COMPLETED"} for job in self._registered}

        def get_state(self, job_id: str, mode: str = "standard") -> str:
            """The state of a job; unknown before the first answer of ``squeue``."""
            return self.get_info(job_id, mode).get("State", "UNKNOWN")


def _launch(launcher: Any, job_overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:  # noqa: ANN401
    import submitit

    options = {key: value for key, value in launcher.params.items() if value is not None}
    folder, kind = options.pop("submitit_folder"), launcher._EXECUTOR
    timeouts = {f"{kind}_max_num_timeout": options.pop("max_num_timeout")} if "max_num_timeout" in options else {}
    executor = submitit.AutoExecutor(folder, cluster=kind, **timeouts)
    common = ("name", "timeout_min", "mem_gb", "nodes", "cpus_per_task", "gpus_per_node", "tasks_per_node")
    executor.update_parameters(**{key if key in common else f"{kind}_{key}": some for key, some in options.items()})
    texts = [list(some) for some in job_overrides]
    numbers, states = range(first, first + len(texts)), [Singleton.get_state()] * len(texts)
    # The launcher itself is called, and asked for a checkpoint: a requeued job begins anew, and its run resumes.
    jobs: list[Job[JobReturn]] = executor.map_array(
        launcher, texts, ["hydra.sweep.dir"] * len(texts), numbers, map(str, numbers), states
    )
    print(f"xairank: {len(jobs)} jobs, {jobs[0].job_id} and on; their logs: {jobs[0].paths.folder.parent}", flush=True)
    while not all(job.done() for job in jobs):
        time.sleep(1)
    return [JobReturn(status=JobStatus.COMPLETED) for _ in jobs]  # what they left in their folders says how they ended
