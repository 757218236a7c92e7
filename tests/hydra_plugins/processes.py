"""A launcher of Hydra that runs each job in a process of its own, as joblib does; found with ``tests`` on PYTHONPATH.

Environment: ``KILL=2`` kills the process of the job with seed 2 before it leaves anything.
"""

import os
import signal
import sys
from collections.abc import Sequence

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus


class ProcessesLauncher(BasicLauncher):
    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        processes = []
        for number, overrides in enumerate(job_overrides, start=initial_job_idx):
            process = os.fork()
            if process == 0:
                if f"seed={os.environ.get('KILL')}" in overrides:
                    os.kill(os.getpid(), signal.SIGKILL)
                super().launch([overrides], number)
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(0)
            processes.append(process)
        for process in processes:
            os.waitpid(process, 0)
        return [JobReturn(status=JobStatus.COMPLETED) for _ in processes]


node = {"_target_": "hydra_plugins.processes.ProcessesLauncher"}
ConfigStore.instance().store(group="hydra/launcher", name="processes", node=node, provider="tests")
