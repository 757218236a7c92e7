"""The command as a user runs it, on a tiny category."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import timm
import torch
import yaml
from safetensors.torch import save_file

from tests.training import METRICS, QUICK, SAMPLE_COLUMNS, only_run
from xairank import hydra_command

ROOT = Path(__file__).parents[1]


def test_one_command_leaves_a_complete_run(run, tmp_path):
    status, out, err = run()
    assert status == 0, err
    folder = only_run(tmp_path)
    assert {path.name for path in folder.iterdir()} == {
        "config.yaml",
        "metrics.csv",
        "scores.parquet",
        "excluded.csv",
        "maps.npz",
        "run.json",
        "checkpoints",
    }
    scores, excluded = pd.read_parquet(folder / "scores.parquet"), pd.read_csv(folder / "excluded.csv")
    assert scores.columns.tolist() == [
        *SAMPLE_COLUMNS,
        *("probability", "k", "n_pixels", "method"),
        *METRICS,
        *("components", "thinness"),
        *(f"{name}_chance" for name in METRICS if name not in ("topk_iou", "best_threshold_iou")),
        *("reliance", "reliance_least", "completeness_error", "n_steps"),
    ]
    assert excluded.columns.tolist() == [*SAMPLE_COLUMNS, "reason"]
    # Every image is either ranked by each method once, or excluded once.
    assert (scores.groupby(["split", "sample"])["method"].nunique() == 8).all()  # three methods, five controls
    assert len(scores) == 8 * scores["sample"].nunique()
    assert sorted([*scores["sample"].unique(), *excluded["sample"]]) == sorted(
        set(scores["sample"]) | set(excluded["sample"])
    )
    assert scores["sample"].nunique() + len(excluded) == 40
    assert scores["sample"].nunique() > 0
    assert (scores["label"] == scores["predicted"]).all()
    assert set(excluded["reason"]) <= {"good", "misclassified", "empty_mask"}
    assert (excluded["reason"] == "good").sum() == 20
    assert all(scores[name].between(0, 1).all() for name in METRICS)
    assert scores["completeness_error"].notna().equals(scores["method"] == "integrated_gradients")
    metrics = pd.read_csv(folder / "metrics.csv")
    assert metrics["epoch"].tolist() == list(range(6))
    assert metrics.notna().all(axis=None)
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "complete"
    assert set(record["seconds"]) == {"data", "training", "attribution"}
    assert yaml.safe_load((folder / "config.yaml").read_text())["data"]["category"] == "nuts"
    torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert "Top-K Overlap" in out
    assert "20 good" not in out  # 20 good images are split over train and test
    assert not (tmp_path / "train.log").exists()


def test_the_same_seed_twice_gives_the_same_file_whatever_ran_between(run, tmp_path):
    run("seed=5")
    first = (only_run(tmp_path) / "scores.parquet").read_bytes()
    only_run(tmp_path).rename(tmp_path / "first")
    torch.rand(100)
    run("seed=5")
    assert (only_run(tmp_path) / "scores.parquet").read_bytes() == first


def test_another_seed_gives_another_model_but_the_same_split(run, tmp_path):
    status, out, err = run("seed=1,2", "-m")
    assert status == 0, err
    tables = [pd.read_csv(path) for path in sorted(tmp_path.glob("multirun/test/*/excluded.csv"))]
    scores = [pd.read_parquet(path) for path in sorted(tmp_path.glob("multirun/test/*/scores.parquet"))]
    assert len(tables) == 2
    splits = [
        dict(zip(pd.concat([a["sample"], b["sample"]]), pd.concat([a["split"], b["split"]]), strict=True))
        for a, b in zip(tables, scores, strict=True)
    ]
    assert splits[0] == splits[1]
    assert not scores[0]["topk_overlap"].equals(scores[1]["topk_overlap"])
    assert out.rstrip().splitlines()[-2] == f"Report: {Path('multirun/test/report/index.html')}"  # how a sweep ends
    assert (tmp_path / "multirun" / "test" / "report" / "index.html").is_file()


@pytest.mark.parametrize("layout", ["table", "folders"])
def test_the_same_images_in_another_layout_are_trained_on_alike(run, tmp_path, layout):
    category = tmp_path / "data" / "nuts"
    if layout == "table":
        with (tmp_path / "nuts.csv").open("w") as file:
            print("image,mask,label,split", file=file)
            for number, path in enumerate(sorted(category.glob("t*/*/*.png"))):
                label, mask = path.parent.name, f"data/nuts/ground_truth/{path.parent.name}/{path.stem}_mask.png"
                mask = "" if label == "good" else mask
                print(path.relative_to(tmp_path), mask, label, "test" if number % 2 else "train", sep=",", file=file)
        places = ["data.table=nuts.csv"]
    else:
        for path in (category / "train" / "good").iterdir():
            path.rename(category / "test" / "good" / f"train_{path.name}")
        places = ["data.images=data/nuts/test", "data.masks=data/nuts/ground_truth"]
    status, _, err = run("data=folder", "data.root=null", *places, "trainer.max_epochs=1")
    assert status == 0, err
    folder = only_run(tmp_path)
    assert "data.category=nuts" in folder.name
    assert not any(place.split("=")[0] in folder.name for place in places)
    excluded, scores = pd.read_csv(folder / "excluded.csv"), pd.read_parquet(folder / "scores.parquet")
    labels = pd.concat([excluded, scores.drop_duplicates("sample")])["label"].value_counts().to_dict()
    assert labels == {"good": 20, "crack": 10, "hole": 10}


def test_a_plain_function_is_a_metric(run, tmp_path):
    function = "+evaluation.metrics.share._target_=xairank.evaluation.topk_overlap"
    status, _, err = run("trainer.max_epochs=4", function, "+evaluation.metrics.share._partial_=true")
    assert status == 0, err
    scores = pd.read_parquet(only_run(tmp_path) / "scores.parquet")
    assert scores["share"].equals(scores["topk_overlap"])
    assert "share_chance" not in scores


def test_weights_of_one_name_are_two_runs_and_one_number_is_one(run, tmp_path):
    hashes = []
    for folder in ("in1k", "in22k"):
        (tmp_path / folder).mkdir()
        encoder = timm.create_model("resnet10t", pretrained=False, num_classes=0)
        save_file(encoder.state_dict(), tmp_path / folder / "m.safetensors")
        hashes.append(hashlib.sha256((tmp_path / folder / "m.safetensors").read_bytes()).hexdigest())
    files = "model.encoder_weights=in1k/m.safetensors,in22k/m.safetensors"
    status, out, err = run(files, "model.beta=1,1.0", "trainer.max_epochs=1", "-m")
    assert status == 0, err
    records = [json.loads(path.read_text()) for path in tmp_path.glob("multirun/test/*/run.json")]
    assert {record["weights"] for record in records} == set(hashes)
    assert len({record["identity"] for record in records}) == len(records) == 2
    assert out.count("complete, skipped") == 2


def test_a_seed_that_fails_does_not_stop_the_others(run, tmp_path):
    status, _, err = run("model.encoder=nonsense,resnet10t", "-m")
    assert status == 2
    assert "1 of 2 runs of the sweep failed" in err
    complete = list(tmp_path.glob("multirun/test/*/run.json"))
    assert len(complete) == 1


def test_three_runs_at_once_with_a_cold_cache_and_a_read_only_home_give_the_same_bits(run, tmp_path):
    (tmp_path / "file").write_text("")
    home = tmp_path / "file" / "home"  # which not even root can make
    environment = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
    environment |= {"HOME": str(home), "PYTHONPATH": str(ROOT)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "xairank.train", *QUICK, f"name=at_once_{number}", "trainer.max_epochs=1"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    paths = list(tmp_path.glob("multirun/at_once_*/*/scores.parquet"))
    assert len(paths) == 3
    assert len({path.read_bytes() for path in paths}) == 1
    assert pd.read_parquet(paths[0]).shape[0] > 0


def test_help_into_a_closed_pipe_ends_without_a_trace(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    found = subprocess.run(
        [sys.executable, "-m", "xairank.train", "--help"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert found.stderr == ""
    assert found.returncode == 141


@pytest.mark.parametrize("where", [0, 1, 3])
def test_the_sign_of_a_sweep_may_stand_anywhere(where):
    given = ["seed=1,2", "trainer.gradient_clip_val=1", "trainer.max_epochs=1"]
    arguments = hydra_command._arguments([*given[:where], "-m", *given[where:]])
    assert arguments == ["seed=1,2", "++trainer.gradient_clip_val=1", "trainer.max_epochs=1", "-m"]
