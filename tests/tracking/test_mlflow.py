"""Runs in a real server on loopback and in a folder, read back by MLflow's own client."""

import json
import os
import socket
import subprocess
import sys

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from tests.tracking.sweeps import expected_epochs, expected_scores, expected_wins, run_command, run_folders
from xairank.errors import UserError
from xairank.tracking import check_logger, open_record
from xairank.tracking.results import log_run

mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed: pip install 'xairank[trackers]'")
pytestmark = pytest.mark.xdist_group("mlflow")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a server with its own database and artifacts."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    store = ["--backend-store-uri", "sqlite:///mlflow.db", "--artifacts-destination", str(folder / "artifacts")]
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        port,
        "--workers",
        "1",
        *store,
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": ""})
    address = f"http://127.0.0.1:{port}"
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=Retry(total=300, backoff_factor=0.5, backoff_max=0.5)))
    try:
        assert session.get(f"{address}/health").ok, (folder / "log").read_text()
        yield address
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def logger(server):
    return ["logger=mlflow", f"logger.tracking_uri={server}"]


@pytest.fixture(scope="module")
def client(server):
    return mlflow.MlflowClient(server)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory, logger):
    folder = tmp_path_factory.mktemp("mlflow")
    status, _, err = run_command(folder, "seed=1,2", *logger, "-m")
    assert status == 0, err
    return folder


def runs_of(client):
    experiment = client.get_experiment_by_name("test")
    found = client.search_runs([experiment.experiment_id], max_results=100)
    named = {run.info.run_name: run for run in found}
    assert len(named) == len(found)
    return named


def history(client, run, name):
    return [(one.step, one.value) for one in client.get_metric_history(run.info.run_id, name)]


def test_each_seed_is_a_run_of_the_experiment_with_the_values_of_its_files(sweep, client):
    found, folders = runs_of(client), run_folders(sweep)
    assert set(found) >= {*folders, "summary"}
    for label, folder in folders.items():
        run = found[label]
        assert run.info.status == "FINISHED"
        for name, values in expected_epochs(folder).items():
            assert history(client, run, name) == [(step, pytest.approx(one)) for step, one in enumerate(values)]
        for name, value in (expected_scores(folder) | expected_wins(folder)).items():
            assert run.data.metrics[name] == pytest.approx(value)
        assert run.data.params["model.beta"] == "1.0"
        assert not [name for name in run.data.params if "logger" in name]
        files = {one.path for one in client.list_artifacts(run.info.run_id)}
        assert files == {"scores.csv", "conclusion.md"}


def test_the_sweep_has_a_summary_with_tables_and_figures_and_only_one(sweep, client, logger):
    summary = runs_of(client)["summary"]
    assert summary.info.status == "FINISHED"
    tables = {one.path for one in client.list_artifacts(summary.info.run_id, "tables")}
    assert "tables/ranking.csv" in tables
    assert "figures/figure7_win_rate.png" in {one.path for one in client.list_artifacts(summary.info.run_id, "figures")}
    before = len(runs_of(client))
    status, out, _ = run_command(sweep, "seed=1,2", *logger, "-m")
    assert (status, out.count("complete, skipped")) == (0, 2)
    assert len(runs_of(client)) == before


def test_a_run_that_is_stopped_is_marked_so_and_goes_on_as_the_same_run(sweep, client, logger):
    from xairank.experiment.callbacks import MetricsCallback

    original = MetricsCallback.on_train_epoch_start

    def stop(self, trainer, module):
        if trainer.current_epoch == 1:
            raise KeyboardInterrupt
        original(self, trainer, module)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MetricsCallback, "on_train_epoch_start", stop)
        status, _, _ = run_command(sweep, "seed=3", *logger)
    assert status == 130
    (label,) = (name for name in run_folders(sweep) if "seed=3" in name)
    before = runs_of(client)[label]
    assert before.info.status == "KILLED"
    assert [step for step, _ in history(client, before, "train_loss")] == [0]
    status, _, err = run_command(sweep, "seed=3", *logger, "data.num_workers=0")  # a parameter is another one now
    assert status == 0, err
    after = runs_of(client)[label]
    assert (after.info.run_id, after.info.status) == (before.info.run_id, "FINISHED")
    assert [step for step, _ in history(client, after, "train_loss")] == [0, 1]


def test_a_folder_holds_what_a_server_does(sweep, tmp_path, monkeypatch):
    from tests.runs_fixture import fake_config, write_fake_run
    from xairank.runs.folder import RunFolder

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow asks for it
    config = fake_config(7)
    folder = RunFolder(write_fake_run(tmp_path / "seed=7", config, n_epochs=2), config)
    address = f"file:{tmp_path / 'mlruns'}"
    entry = {
        "_target_": "pytorch_lightning.loggers.MLFlowLogger",
        "tracking_uri": address,
        "experiment_name": "test",
    }
    check_logger(entry, "test")
    with open_record(entry, folder.path, "test") as record:
        record.epochs([{"epoch": 0, "train_loss": 2.5}, {"epoch": 1, "train_loss": 1.5}])
        assert record.end([], lambda tracker: log_run(tracker, folder, "words"))
    client = mlflow.MlflowClient(address)
    run = runs_of(client)["seed=7"]
    assert run.info.status == "FINISHED"
    assert history(client, run, "train_loss") == [(0, 2.5), (1, 1.5)]
    assert run.data.metrics["win_rate/test/gradcam"] > 0


def test_a_server_that_does_not_answer_and_one_that_refuses_are_one_line(server, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    entry = {"_target_": "pytorch_lightning.loggers.MLFlowLogger", "tracking_uri": "http://127.0.0.1:9"}
    with pytest.raises(UserError, match=r"^logger: MLFlowLogger cannot begin a run: .*127.0.0.1.*logger=none$"):
        check_logger({**entry, "experiment_name": "x"}, "x")
    entry = {**entry, "tracking_uri": server, "experiment_name": "x"}
    (tmp_path / "tracker.json").write_text(json.dumps({"logger": entry, "id": "gone"}))
    with pytest.raises(UserError, match=r"Run .*gone.* not found; delete .*tracker.json to begin a new run there, "):
        open_record(entry, tmp_path, "x").__enter__()
