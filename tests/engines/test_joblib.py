"""joblib's workers: none outlives the command, and one that is killed is told of."""

import os
import signal
import subprocess
import sys

import pytest

from tests.conftest import write_category
from tests.engines.sessions import left_behind
from tests.training import QUICK

pytestmark = [
    pytest.mark.xdist_group("engines"),
    pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="processes are listed as Linux does"),
]
LOGGER = ("logger._target_=tests.engines.interrupting_logger.InterruptingLogger", "++logger.seed=${seed}")


@pytest.fixture
def sweep(tmp_path):
    """Trains seeds 1 to 4 in two workers, of which seed 1 is interrupted in its second epoch.

    Returns exit status, errors and the processes that are left.
    """
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="hydra-joblib-launcher is not installed")
    pytest.importorskip("joblib")
    write_category(tmp_path / "data" / "nuts", good=20, defects=10)

    def start(**environment):
        with subprocess.Popen(
            [
                *(sys.executable, "-m", "xairank.train", *QUICK, "trainer.max_epochs=3", "seed=1,2,3,4", *LOGGER),
                *("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "-m"),
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1", **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            # Until all that write there have ended; a worker that nobody ends waits for work for five minutes.
            _, errors = process.communicate(timeout=240)
            return process.returncode, errors, left_behind(process.pid)

    return start


@pytest.mark.parametrize("whom", [pytest.param("group", marks=pytest.mark.slow), "command"])
def test_ctrl_c_leaves_no_worker(sweep, tmp_path, whom):
    status, errors, left = sweep(INTERRUPT=whom)
    assert (status, errors, left) == (130, "xairank: stopped; run the same command again to resume\n", [])
    assert (tmp_path / "epochs-1.txt").read_text().split()[:2] == ["0", "1"]
    assert not (tmp_path / "epochs-4.txt").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of a process that is killed")
def test_a_command_that_is_killed_takes_its_workers_along(sweep, tmp_path):
    status, _, left = sweep(INTERRUPT="kill_command")
    assert (status, left) == (-signal.SIGKILL, [])
    assert (tmp_path / "epochs-1.txt").read_text().split()[:2] == ["0", "1"]
    assert not (tmp_path / "epochs-4.txt").exists()


@pytest.mark.slow  # that the sweep resumes is tested in test_engines.py
def test_a_worker_that_is_killed_is_told_of_with_the_runs_that_it_took_along(sweep):
    status, errors, left = sweep()
    assert (status, left) == (2, [])
    first, *others = errors.splitlines()
    assert first.startswith("xairank: error: the launcher failed: TerminatedWorkerError: ")
    assert "SIGKILL" in first
    assert any(
        "seed=1: multirun/test/" in line and "run the same command again to resume it" in line for line in others
    )
    assert "Traceback" not in errors
