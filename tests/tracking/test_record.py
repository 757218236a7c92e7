"""A run's record in a tracker that may die, without any tracker installed."""

import json

import pytest

from tests.tracking.sweeps import expected_epochs, run_command, run_folders
from xairank.errors import UserError
from xairank.tracking import check_logger, open_record
from xairank.tracking.results import parameters_of

HERE = "tests.tracking.test_record"


class Memory:
    """A logger as Lightning's are: keeps what it is told; fails while ``broken`` says so."""

    calls: list = []
    broken: set = set()
    name = version = experiment = None

    def _note(self, what, *values):
        if what in Memory.broken:
            raise ConnectionError(f"no answer\nto {what}")
        Memory.calls.append((what, *values))

    def log_metrics(self, metrics, step=None):
        self._note("metrics", dict(metrics), step)

    def log_hyperparams(self, params):
        self._note("parameters", params)

    def finalize(self, status):
        self._note("finalize", status)


@pytest.fixture(autouse=True)
def fresh():
    # Hydra imports this module by its name, pytest may have another copy of it.
    from importlib import import_module

    kind = import_module(HERE).Memory
    kind.calls, kind.broken = [], set()
    return kind


ENTRY = {"_target_": f"{HERE}.Memory"}
ROWS = [{"epoch": 0, "loss": 3.0}, {"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": float("nan")}]


def metrics(kind):
    return [call[1:] for call in kind.calls if call[0] == "metrics"]


def test_a_resumed_run_logs_no_epoch_twice(tmp_path, fresh):
    with open_record(ENTRY, tmp_path, "sweep") as record:
        record.epochs(ROWS[:1])
        record.epochs(ROWS[:2])
    with open_record(ENTRY, tmp_path, "sweep") as record:
        record.epochs(ROWS)
    assert metrics(fresh) == [({"loss": 3.0}, 0), ({"loss": 2.0}, 1), ({}, 2)]


def test_another_tracker_gets_all_epochs(tmp_path, fresh):
    with open_record(ENTRY, tmp_path, "sweep") as record:
        record.epochs(ROWS[:2])
    (tmp_path / "tracker.json").write_text(json.dumps({"logger": {"_target_": "other"}, "epochs": 2}))
    with open_record(ENTRY, tmp_path, "sweep") as record:
        record.epochs(ROWS[:2])
    assert [step for _, step in metrics(fresh)] == [0, 1, 0, 1]


def test_a_tracker_that_dies_is_told_once_and_asked_again_at_the_end(tmp_path, fresh, capsys):
    with open_record(ENTRY, tmp_path, "sweep") as record:
        record.epochs(ROWS[:1])
        fresh.broken = {"metrics"}
        record.epochs(ROWS[:2])
        record.epochs(ROWS)
        said = capsys.readouterr().out
        assert said == (
            "Warning: logger: Memory fails (no answer to metrics); the run goes on, and what is missing there is tried "
            "again at its end.\n"
        )
        fresh.broken = set()
        assert record.end(ROWS, lambda tracker: tracker.metrics({"score": 1.0}))
    assert metrics(fresh) == [({"loss": 3.0}, 0), ({"loss": 2.0}, 1), ({}, 2), ({"score": 1.0}, None)]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("error", "status"),
    [(None, "success"), (ValueError, "failed"), (UserError, "failed"), (KeyboardInterrupt, "failed")],
)
def test_the_tracker_learns_how_the_run_ended(tmp_path, fresh, error, status):
    try:
        with open_record(ENTRY, tmp_path, "sweep"):
            if error:
                raise error("stop")
    except (ValueError, UserError, KeyboardInterrupt):
        pass
    assert fresh.calls == [("finalize", status)]


def test_a_run_outlives_a_tracker_that_dies_while_it_trains_and_at_its_end(tmp_path, fresh):
    fresh.broken = {"metrics", "finalize"}
    status, out, err = run_command(tmp_path, f"++logger._target_={HERE}.Memory")
    assert status == 0, err
    (run,) = run_folders(tmp_path).values()
    assert (run / "run.json").is_file()
    assert len(expected_epochs(run)["train_loss"]) == 2
    warnings = [line for line in out.splitlines() if line.startswith("Warning: logger: Memory fails (no answer to ")]
    assert len(warnings) == 3
    assert f"the last epochs or the results are missing there; they are in multirun/test/{run.name}" in warnings[1]
    assert "its run there is not marked as finished" in warnings[2]
    fresh.broken = set()
    status, out, _ = run_command(tmp_path, f"++logger._target_={HERE}.Memory")
    assert "complete, skipped" in out
    assert [call[0] for call in fresh.calls] == ["parameters"]


def test_a_package_that_is_not_there_is_one_line():
    with pytest.raises(
        UserError, match=r"^logger: AimLogger needs a package .*; pip install 'xairank\[aim\]', or choose"
    ):
        check_logger({"_target_": "nowhere.AimLogger"}, "sweep")


def test_a_tracker_that_refuses_ends_the_run_before_training(tmp_path):
    with pytest.raises(UserError, match=r"^logger: Memory cannot begin a run: .*takes no arguments.*logger=none$"):
        open_record({**ENTRY, "colour": "red"}, tmp_path, "sweep").__enter__()


def test_no_tracker_writes_nothing(tmp_path):
    with open_record({"_target_": None}, tmp_path, "sweep") as record:
        record.parameters({"a": 1})
        record.epochs(ROWS)
        assert record.end(ROWS, lambda tracker: pytest.fail("there is none"))
    assert not list(tmp_path.iterdir())


def test_parameters_have_dotted_keys_and_no_address_of_a_tracker():
    config = {"model": {"beta": 1.0}, "logger": {"api_key": "secret"}, "attribution": {"methods": {"a": {"n": 3}}}}
    found = parameters_of({**config, "data": {"table": None}})
    assert found == {"model.beta": 1.0, "attribution.methods.a.n": 3, "data.table": "None"}
