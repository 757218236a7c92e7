"""``python -m xairank.train`` on a GPU: the same twice, in mixed precision, and explained elsewhere."""

import functools
import json

import pandas as pd
import pytest
import torch

from tests.conftest import write_category
from tests.training import QUICK, command, only_run

LEARNT = ["trainer.max_epochs=20", "trainer.accelerator=gpu"]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    write_category(tmp_path / "data" / "nuts")
    monkeypatch.chdir(tmp_path)
    return functools.partial(command, monkeypatch, capsys, *QUICK, *LEARNT)


def test_the_same_seed_gives_the_same_scores_twice(run, tmp_path):
    found = []
    for name in ("test", "again"):
        status, _, err = run(f"name={name}")
        assert status == 0, err
        (folder,) = (tmp_path / "multirun" / name).glob("*seed=42")
        found.append(folder)
        record = json.loads((folder / "run.json").read_text())
        assert record["device"].startswith("cuda")
        assert record["kernels"] is False
    assert (found[0] / "scores.parquet").read_bytes() == (found[1] / "scores.parquet").read_bytes()
    assert (found[0] / "metrics.csv").read_bytes() == (found[1] / "metrics.csv").read_bytes()


@pytest.mark.parametrize("precision", ["16-mixed", "bf16-mixed"])
def test_mixed_precision_is_for_training_alone(run, tmp_path, precision):
    status, _, err = run(f"trainer.precision={precision}")
    assert status == 0, err
    scores = pd.read_parquet(only_run(tmp_path) / "scores.parquet")
    assert scores["topk_overlap"].notna().all()
    # Completeness within what float32 gives: bfloat16 would miss it by a hundred times as much.
    assert scores["completeness_error"].dropna().abs().median() < 0.5
    assert scores["probability"].dtype == "float64"


def test_maps_of_a_run_of_a_gpu_are_made_on_the_cpu(run, tmp_path):
    assert run("attribution.keep_maps=false")[0] == 0
    status, out, err = run("trainer.accelerator=cpu")
    assert status == 0, err
    assert "maps added" in out
    assert (only_run(tmp_path) / "maps.npz").is_file()


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="PyTorch finds no two GPUs")
def test_two_gpus_share_a_run(run, tmp_path):
    status, _, err = run("trainer.devices=2")
    assert status == 0, err
    assert json.loads((only_run(tmp_path) / "run.json").read_text())["devices"] == 2
