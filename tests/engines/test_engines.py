"""Sweeps on real engines of this machine, with jobs that are killed, preempted, and requeued.

The quick tests launch jobs that do nothing. ``python -m pytest tests/engines -m slow`` trains ten seeds on each engine,
and compares their scores with those of a serial sweep, bit by bit.
"""

import os
import subprocess
import sys
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import write_category
from tests.engines.local_slurm import local_slurm, missing

ROOT = Path(__file__).parents[2]
ENGINES = {
    "basic": ("hydra", []),
    "joblib": ("joblib", ["hydra.launcher.n_jobs=2"]),
    "submitit_local": ("submitit", []),
    "submitit_slurm": ("submitit", ["hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=null"]),
    "ray": ("ray", ["hydra.launcher.init.num_cpus=2", "+hydra.launcher.init.object_store_memory=100000000"]),
}
KILLED, ONCE, TWICE = "began\n", "began\nended\n", "began\nbegan\nended\n"
SEEDS = tuple(range(1, 11))
pytestmark = pytest.mark.xdist_group("engines")  # one after another


def require(engine):
    """Skips where the engine is not installed."""
    if not find_spec(ENGINES[engine][0]):
        pytest.skip(f"{ENGINES[engine][0]} is not installed; pip install 'xairank[launchers]'")
    if engine == "submitit_slurm" and missing():
        pytest.skip(f"Slurm is not installed ({missing()}); apt-get install slurm-wlm munge")


def cluster(engine):
    """The environment in which the engine runs."""
    return local_slurm() if engine == "submitit_slurm" else nullcontext(os.environ)


def launch(module, folder, engine, environment, *arguments):
    """Runs a module of Hydra as a sweep in a folder."""
    return subprocess.run(
        [sys.executable, "-m", module, f"hydra/launcher={engine}", *ENGINES[engine][1], *arguments, "-m"],
        cwd=folder,
        env={
            **environment,
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "OMP_NUM_THREADS": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
        },
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(("engine", "killed"), [("submitit_local", KILLED), ("submitit_slurm", KILLED), ("ray", TWICE)])
def test_a_launcher_waits_for_all_of_its_jobs_whatever_becomes_of_one(engine, killed, tmp_path):
    require(engine)
    with cluster(engine) as environment:
        found = launch("tests.engines.application", tmp_path, engine, environment, "seed=1,2,3,4")
    assert found.returncode == 0, found.stdout + found.stderr
    requeued = TWICE if engine == "submitit_slurm" else ONCE
    logs = {path.stem: path.read_text() for path in tmp_path.glob("?.txt")}
    assert logs == {"1": killed, "2": requeued, "3": requeued, "4": ONCE}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The scores of runs that nothing interrupts, one after another in one process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    train(folder, "basic", os.environ)
    return scores(folder)


def train(folder, engine, environment, *arguments):
    """Trains ten seeds of a tiny configuration."""
    from tests.training import QUICK

    if not (folder / "data").is_dir():
        write_category(folder / "data" / "nuts", good=20, defects=10)
    seeds = "seed=" + ",".join(map(str, SEEDS))
    return launch("xairank.train", folder, engine, environment, *QUICK, "trainer.max_epochs=3", seeds, *arguments)


def scores(folder):
    """The bytes of each run's scores, by its seed."""
    found = folder.glob("multirun/test/*/scores.parquet")
    return {int(path.parent.name.rpartition("seed=")[2]): path.read_bytes() for path in found}


@pytest.mark.slow
@pytest.mark.parametrize("engine", [engine for engine in ENGINES if engine != "basic"])
def test_a_disturbed_sweep_gives_the_bits_of_a_serial_one(engine, undisturbed, tmp_path):
    require(engine)
    logger = ["logger._target_=tests.engines.interrupting_logger.InterruptingLogger", "++logger.seed=${seed}"]
    with cluster(engine) as environment:
        first = train(tmp_path, engine, environment, *logger)
        if engine == "ray":  # which starts again what died
            assert first.returncode == 0, first.stdout + first.stderr
        else:
            assert first.returncode == 2, first.stdout + first.stderr
            assert "seed=1: multirun/test/" in first.stderr
            assert "ended without a result" in first.stderr
            second = train(tmp_path, engine, environment, *logger)
            assert second.returncode == 0, second.stdout + second.stderr
    if engine.startswith("submitit"):
        assert "1 of 10 runs" in first.stderr  # those that were requeued went on by themselves
    epochs = [path.read_text().split() for path in tmp_path.glob("epochs-*.txt")]
    assert [one.count("0") for one in epochs] == [1] * len(SEEDS)  # none began anew
    assert scores(tmp_path) == undisturbed
    assert sorted(undisturbed) == list(SEEDS)
