"""A sweep is judged by what its runs leave, whichever launcher ran them."""

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.plugins import Plugins

from tests.conftest import write_category
from tests.training import QUICK
from xairank.config import CONFIGURATION
from xairank.errors import UserError
from xairank.experiment.jobs import SWEEPER, Composer, Job, check_jobs, plan
from xairank.hydra_command import _composed_once, _settled
from xairank.runs.folder import RunFolder

TESTS = Path(__file__).parents[1]


@pytest.fixture
def place(monkeypatch, tmp_path):
    """An empty working folder with a tiny category in ``data/nuts``."""
    write_category(tmp_path / "data" / "nuts", good=20, defects=10)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def overrides_of(jobs):
    return [",".join(override for override in job.overrides if override not in QUICK) for job in jobs]


def test_jobs_are_those_that_hydra_makes(place):
    jobs = plan([*QUICK, "seed=range(1,4)", "model.beta=0,1.0", "hydra.verbose=true"])
    assert len(jobs) == 6
    assert {(job.folder.config["seed"], job.folder.config["model"]["beta"]) for job in jobs} == {
        (seed, beta) for seed in (1, 2, 3) for beta in (0, 1.0)
    }
    assert len({job.folder.path for job in jobs}) == len({job.folder.identity for job in jobs}) == 6


def test_a_seed_that_another_key_refers_to_is_filled_in(place):
    jobs = plan([*QUICK, "seed=1,2", "data.split_seed=${seed}"])
    assert [job.folder.config["data"]["split_seed"] for job in jobs] == [1, 2]


@pytest.mark.parametrize(
    "overrides",
    [
        ["model.beta=0.5", "data=synthetic", "data.image_size=64", "model.beta=2"],
        ["attribution=extended", "~attribution.methods.saliency", "+attribution.methods.gradcam.smooth=4"],
        ["data.synthetic={good:3,defects:{hole:2}}", "++trainer.max_time=00:01:00:00", "seed=7", "data=synthetic"],
        ["experiment=demo", "trainer.max_epochs=1", "model.encoder_weights=null"],
        ["data.split_seed=${seed}", "seed=3"],
    ],
)
def test_configurations_are_those_that_hydra_composes(overrides):
    with initialize_config_dir(str(CONFIGURATION), version_base="1.3"):
        expected = compose("train", overrides)
        composer = Composer("train", [])
        composer.compose(["seed=1", *[text for text in overrides if "=" in text and "seed" not in text]])
        assert composer.compose(overrides) == expected


@pytest.mark.parametrize(("seeds", "checked"), [("seed=1,2", False), ("seed=-1,2", True)])
def test_hydra_composes_a_sweep_again_only_where_a_run_could_not_be_planned(place, seeds, checked):
    jobs = plan([*QUICK, seeds])
    sweeper = Plugins.instance().class_name_to_class[SWEEPER](max_batch_size=None)
    with _composed_once(jobs), pytest.raises(AttributeError) if checked else nullcontext():
        sweeper.validate_batch_is_legal([["seed=1"]])  # asks for a configuration, which there is none yet
    with pytest.raises(AttributeError):
        sweeper.validate_batch_is_legal([["seed=1"]])


def test_runs_that_are_complete_are_not_handed_to_the_launcher(place, capsys):
    jobs = plan([*QUICK, "attribution.keep_maps=false", "seed=1,2,3"])
    for job in jobs[:2]:
        job.folder.claim()
        job.folder.finish({})
    settled = _settled(jobs)
    assert capsys.readouterr().out.count("complete, skipped") == 2
    sweeper = Plugins.instance().class_name_to_class[SWEEPER](max_batch_size=None)
    batch = [list(job.overrides) for job in jobs]
    with _composed_once(jobs, settled):
        sweeper.validate_batch_is_legal(batch)
        assert batch == [list(jobs[2].overrides)]
        batch = [list(job.overrides) for job in jobs[:2]]
        sweeper.validate_batch_is_legal(batch)
        assert len(batch) == 1  # launchers want one at least


def test_two_configurations_in_one_folder_are_refused(place, tmp_path):
    file = tmp_path / "conf" / "logger" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("# @package _global_\nlogger: {_target_: null}\nmodel: {beta: 3}\n")  # hides a key in a place
    jobs = plan([*QUICK, "logger=none,mine", f"hydra.searchpath=[{tmp_path / 'conf'}]"])
    with pytest.raises(UserError, match="two runs of the sweep have this folder and other configurations"):
        check_jobs(jobs)


def test_another_sweeper_is_not_planned(place, tmp_path):
    file = tmp_path / "conf" / "hydra" / "sweeper" / "clever.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("_target_: somewhere.Sweeper\n")
    assert plan([*QUICK, "seed=1,2", f"hydra.searchpath=[{tmp_path / 'conf'}]", "hydra/sweeper=clever"]) is None


def test_parameters_of_the_sweeper_count(place, tmp_path):
    file = tmp_path / "conf" / "experiment" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("# @package _global_\nhydra:\n  sweeper:\n    params:\n      seed: 7,8\n")
    jobs = plan([*QUICK, f"hydra.searchpath=[{tmp_path / 'conf'}]", "experiment=mine"])
    assert [job.folder.config["seed"] for job in jobs] == [7, 8]


def test_a_mistake_of_one_run_leaves_the_others_their_folder(place):
    jobs = plan([*QUICK, "model.beta=-1,0", "seed=1"])
    assert [job.folder is None for job in jobs] == [True, False]
    assert jobs[0].failure == "model.beta=-1 is not allowed: expected a number of at least 0"
    check_jobs(jobs)  # one of them can go on


def test_a_mistake_of_all_runs_ends_the_sweep(place):
    with pytest.raises(UserError, match=r"^data.root=nowhere: no such folder; .* \(all 3 runs of the sweep\)$"):
        check_jobs(plan([*QUICK, "data.root=nowhere", "seed=1,2,3"]))


def test_complete_runs_need_no_data(place):
    jobs = plan([*QUICK, "data.root=nowhere", "seed=1,2"])
    for job in jobs:
        job.folder.claim()
        job.folder.finish({})
    assert [job.failure for job in jobs] == ["", ""]
    check_jobs(jobs)


def test_what_a_run_left_says_how_it_ended(tmp_path):
    job = Job(("seed=1",), RunFolder(tmp_path / "run", {"seed": 1}))
    assert "ended without a result" in job.failure
    job.folder.fail("Traceback\n  in here\nZeroDivisionError: power cut\n")
    assert job.failure == "ZeroDivisionError: power cut"
    job.folder.claim()
    job.folder.finish({})
    assert job.failure == ""
    other = Job(("seed=1",), RunFolder(tmp_path / "run", {"seed": 2}))
    assert "holds a run of another configuration (seed=1 there, 2 here)" in other.failure


def test_runs_in_other_processes_that_fail_or_die_are_counted(place):
    """With a launcher as joblib's: the process of seed 2 is killed, that of seed -3 makes a mistake."""
    arguments = ["trainer.max_epochs=1", "hydra/launcher=processes", "seed=1,2,-3", "-m"]
    path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    found = subprocess.run(
        [sys.executable, "-m", "xairank.train", *QUICK, *arguments],
        env={**os.environ, "PYTHONPATH": path, "KILL": "2", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 2, found.stderr
    assert "2 of 3 runs of the sweep failed:" in found.stderr
    lines = found.stderr.splitlines()
    assert any("seed=2: multirun/test/" in line and "ended without a result" in line for line in lines)
    assert any(line.strip().startswith("seed=-3: seed=-3 is not allowed") for line in lines)
    (record,) = place.glob("multirun/test/*/run.json")
    assert json.loads(record.read_text())["status"] == "complete"
