"""Two seeds in one process, offline, read back from the records that W&B keeps."""

import json
import struct

import pytest

from tests.tracking.sweeps import expected_epochs, expected_scores, expected_wins, run_command, run_folders

pytest.importorskip("wandb", reason="W&B is not installed: pip install 'xairank[trackers]'")
pytestmark = pytest.mark.xdist_group("wandb")
BLOCK, HEADER = 32768, 7  # of the log format of LevelDB, in which W&B writes its records


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wandb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_SILENT", "true")
        status, _, err = run_command(folder, "seed=1,2", "logger=wandb", "logger.offline=true", "-m")
    assert status == 0, err
    return folder


def records(path):
    """The records of a ``.wandb`` file."""
    from wandb.proto import wandb_internal_pb2

    content, place, parts = path.read_bytes(), HEADER, b""
    while place + HEADER <= len(content):
        if BLOCK - place % BLOCK < HEADER:  # too short for a header: filled with zeros
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", content, place)
        place += HEADER
        parts += content[place : place + length]
        place += length
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            yield record
            parts = b""


def key_of(item):
    return item.key or ".".join(item.nested_key)


def kinds_of(history):
    """What kind of file each name that is no number stands for."""
    return {name[:-6]: value for row in history for name, value in row.items() if name.endswith("._type")}


def offline_runs(folder):
    """By display name: the run, its history, summary, configuration and exit code."""
    found = {}
    for path in sorted((folder / "wandb").glob("offline-run-*/*.wandb")):
        history, summary, config, run, code = [], {}, {}, None, None
        for record in records(path):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                run = record.run
                config |= {key_of(item): json.loads(item.value_json) for item in record.run.config.update}
            elif kind == "config":
                config |= {key_of(item): json.loads(item.value_json) for item in record.config.update}
            elif kind == "history":
                history.append({key_of(item): json.loads(item.value_json) for item in record.history.item})
            elif kind == "summary":
                summary |= {key_of(item): json.loads(item.value_json) for item in record.summary.update}
            elif kind == "exit":
                code = record.exit.exit_code
        found[run.display_name] = (run, history, summary, config, code)
    return found


def test_each_seed_is_a_run_of_the_group_with_the_values_of_its_files(sweep):
    found, runs = offline_runs(sweep), run_folders(sweep)
    assert set(found) == {*runs, "summary"}
    assert len({run.run_id for run, *_ in found.values()}) == 3
    for label, folder in runs.items():
        run, history, summary, config, code = found[label]
        assert (run.project, run.run_group, run.job_type, code) == ("xairank", "test", "run", 0)
        epochs = [row for row in history if "train_loss" in row]
        assert [row["epoch"] for row in epochs] == [0, 1]
        for name, values in expected_epochs(folder).items():
            assert [row[name] for row in epochs] == pytest.approx(values, rel=1e-8)
        for name, value in (expected_scores(folder) | expected_wins(folder)).items():
            assert summary[name] == pytest.approx(value)
        assert config["model"]["beta"] == 1
        assert "logger" not in config
        assert kinds_of(history).keys() >= {"scores", "conclusion"}


def test_the_sweep_has_a_summary_in_the_group_with_tables_and_figures(sweep):
    run, history, _, _, code = offline_runs(sweep)["summary"]
    assert (run.run_group, run.job_type, code) == ("test", "summary", 0)
    kinds = kinds_of(history)
    assert kinds["tables/ranking"] == "table-file"
    assert kinds["figures/figure7_win_rate"] == "image-file"


def test_a_run_that_fails_has_an_exit_code_and_the_next_attempt_its_id(sweep, monkeypatch):
    from xairank.experiment import run as room

    monkeypatch.setenv("WANDB_SILENT", "true")
    with monkeypatch.context() as patch:
        patch.setattr(room, "drop_optimizer", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_command(sweep, "seed=3", "logger=wandb", "logger.offline=true")
    label = next(name for name in run_folders(sweep) if name.endswith("seed=3") or "seed=3," in name)
    before, *_, code = offline_runs(sweep)[label]
    assert code == 1
    status, _, err = run_command(sweep, "seed=3", "logger=wandb", "logger.offline=true")
    assert status == 0, err
    after, history, *_, code = offline_runs(sweep)[label]
    assert (after.run_id, code) == (before.run_id, 0)
    assert not [row for row in history if "train_loss" in row]  # the first attempt has them


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "logger: WandbLogger cannot begin a run: no API key: run wandb login, or choose logger.offline=true; "),
        ({"WANDB_API_KEY": "a" * 40}, "logger: WandbLogger cannot begin a run: .*127.0.0.1.*Connection refused"),
    ],
)
def test_without_a_key_or_a_server_nothing_begins(monkeypatch, tmp_path, environment, message):
    import wandb

    from xairank.errors import UserError
    from xairank.tracking import check_logger

    wandb.teardown()  # so that it reads its settings again
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    entry = {"_target_": "pytorch_lightning.loggers.WandbLogger", "project": "x"}
    with pytest.raises(UserError, match=message):
        check_logger(entry, "test")
    wandb.teardown()
