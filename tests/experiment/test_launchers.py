"""Each launcher has its file and needs its package; sweeps are planned from these files."""

import importlib.metadata
import warnings

import pytest
import yaml

from xairank.config import CONFIGURATION
from xairank.errors import UserError
from xairank.experiment import launchers
from xairank.experiment.jobs import plan

FILES = sorted((CONFIGURATION / "hydra" / "launcher").glob("*.yaml"))


def test_every_file_is_of_a_launcher_that_is_checked():
    assert {file.stem for file in FILES} == set(launchers._PACKAGES)


@pytest.mark.parametrize("name", [file.stem for file in FILES])
def test_a_launcher_that_is_not_installed_is_named_with_the_extra(monkeypatch, name):
    monkeypatch.setattr(launchers, "find_spec", lambda package: None)
    with pytest.raises(UserError, match=rf"^hydra/launcher={name}: is not installed; .*'xairank\[launchers\]'$"):
        plan(["seed=1,2", f"hydra/launcher={name}"])


def test_slurm_without_its_commands_is_refused(monkeypatch):
    monkeypatch.setattr(launchers, "_is_installed", lambda package: True)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match=r"^hydra/launcher=submitit_slurm: sbatch is not on this machine; .*=joblib$"):
        plan(["seed=1,2", "hydra/launcher=submitit_slurm"])


def test_our_files_take_the_place_of_those_of_the_plug_ins_without_a_warning(monkeypatch):
    monkeypatch.setattr(launchers, "_is_installed", lambda package: True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(plan(["seed=1,2", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"])) == 2


def test_the_files_have_only_keys_of_their_plug_ins():
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="hydra-submitit-launcher is not installed")
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="hydra-joblib-launcher is not installed")
    from hydra_plugins.hydra_joblib_launcher.config import JobLibLauncherConf
    from hydra_plugins.hydra_submitit_launcher.config import LocalQueueConf, SlurmQueueConf

    known = {
        "joblib": JobLibLauncherConf.__dataclass_fields__,
        "submitit_local": LocalQueueConf.__dataclass_fields__,
        "submitit_slurm": SlurmQueueConf.__dataclass_fields__,
    }
    for file in FILES:
        if file.stem in known:
            assert set(yaml.safe_load(file.read_text(encoding="utf-8"))) <= set(known[file.stem]), file


def test_the_extra_has_what_the_launchers_need():
    extra = [line for line in importlib.metadata.requires("xairank") or [] if "extra == 'launchers'" in line]
    assert {line.split(">")[0] for line in extra} >= {"hydra-joblib-launcher", "hydra-submitit-launcher"}


def test_a_worker_of_joblib_can_start_processes():
    joblib = pytest.importorskip("joblib")
    found = joblib.Parallel(n_jobs=2)(joblib.delayed(start_a_process)() for _ in range(2))
    assert found == [3.0, 3.0]


def start_a_process():
    """Runs in a worker, where Python's own ways to start processes fail until they are told of."""
    import math
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from xairank.experiment.launchers import let_workers_start_processes

    let_workers_start_processes()
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(math.sqrt, 9).result(timeout=60)
