"""``python -m xairank.train`` on several devices, here two processes on the CPU."""

import functools
import json

import pandas as pd
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score

from tests.conftest import write_category
from tests.training import QUICK, command, only_run
from xairank.experiment import run as run_module
from xairank.experiment.explaining import explain_run

CPU = torch.device("cpu")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    write_category(tmp_path / "data" / "nuts")
    monkeypatch.chdir(tmp_path)
    return functools.partial(command, monkeypatch, capsys, *QUICK, "attribution.batch_limit=3")


def test_two_devices_train_one_model_and_share_the_explaining(run, tmp_path):
    status, _, err = run("trainer.devices=2", "trainer.max_epochs=3")
    assert status == 0, err
    folder = only_run(tmp_path)
    assert json.loads((folder / "run.json").read_text())["devices"] == 2
    metrics = pd.read_csv(folder / "metrics.csv")
    assert metrics["epoch"].tolist() == [0, 1, 2]
    assert metrics.notna().all(axis=None)
    # Measured while training, over the images of both; and of the checkpoint, when all images are predicted once more.
    every = pd.concat([pd.read_parquet(folder / "scores.parquet"), pd.read_csv(folder / "excluded.csv")])
    test = every[every["split"] == "test"].drop_duplicates("sample")
    assert balanced_accuracy_score(test["label"], test["predicted"]) == pytest.approx(
        metrics["test_balanced_accuracy"].iloc[-1]
    )
    before = (folder / "scores.parquet").read_bytes()
    (folder / "run.json").unlink()
    assert run("trainer.devices=2", "trainer.max_epochs=3")[0] == 0
    assert (folder / "scores.parquet").read_bytes() == before


def test_the_scores_do_not_depend_on_how_many_devices_explain(run, tmp_path, monkeypatch):
    found = {}

    def explain_twice(config, classifier, data, methods, metrics, measures, parts, devices):
        for count in (2, 1):
            parts.delete()
            found[count] = explain_run(config, classifier, data, methods, metrics, measures, parts, [CPU] * count)
            parts.write_maps(tmp_path / f"{count}.npz", None)
        return found[1]

    monkeypatch.setattr(run_module, "explain_run", explain_twice)
    status, _, err = run("attribution.ladder=true", "trainer.max_epochs=20")
    assert status == 0, err
    assert found[1].scores["sample"].nunique() > 6
    for name in ("scores", "variants", "excluded"):
        pd.testing.assert_frame_equal(getattr(found[2], name), getattr(found[1], name), check_exact=True)
    assert {name: cost.images for name, cost in found[2].costs.items()} == {
        name: cost.images for name, cost in found[1].costs.items()
    }
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()
