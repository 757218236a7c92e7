"""The command as a user runs it, on a tiny category."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import timm
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from tests.conftest import write_category
from xairank import hydra_command, train
from xairank.runs.identity import run_label

ROOT = Path(__file__).parents[1]
QUICK = [
    "name=test",
    "data.root=data",
    "data.category=nuts",
    "data.image_size=48",
    "data.crop=none",
    "data.batch_size=8",
    "model.encoder=resnet10t",
    "model.pretrained=false",
    "model.decoder_channels=4",
    "attribution.methods.integrated_gradients.n_steps=4",
    "trainer.max_epochs=6",
    "trainer.accelerator=cpu",
]
METRICS = [
    *("topk_overlap", "topk_iou", "pointing_game", "mass_accuracy", "average_precision", "roc_auc"),
    *("best_threshold_iou", "component_overlap", "mass_distance"),
]
SAMPLE_COLUMNS = ["seed", "fold", "split", "sample", "case", "label", "predicted"]


def command(monkeypatch, capsys, *arguments):
    """Runs ``python -m xairank.train`` in this process; its exit status, output and errors."""
    monkeypatch.setattr(sys, "argv", ["train", *arguments])
    status = 0
    try:
        train.main()
    except SystemExit as exit_:
        status = exit_.code or 0
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """A function that runs the command in an empty working folder with a tiny category in ``data/nuts``."""
    write_category(tmp_path / "data" / "nuts", good=20, defects=10)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: command(monkeypatch, capsys, *QUICK, *arguments)


def only_run(folder):
    (found,) = (path for path in (folder / "multirun" / "test").iterdir() if path.is_dir())
    return found


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
    run("seed=1,2", "-m")
    tables = [pd.read_csv(path) for path in sorted(tmp_path.glob("multirun/test/*/excluded.csv"))]
    scores = [pd.read_parquet(path) for path in sorted(tmp_path.glob("multirun/test/*/scores.parquet"))]
    assert len(tables) == 2
    splits = [
        dict(zip(pd.concat([a["sample"], b["sample"]]), pd.concat([a["split"], b["split"]]), strict=True))
        for a, b in zip(tables, scores, strict=True)
    ]
    assert splits[0] == splits[1]
    assert not scores[0]["topk_overlap"].equals(scores[1]["topk_overlap"])


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


def test_a_complete_run_is_left_as_it_is(run, tmp_path):
    _, first, _ = run()
    before = {path: path.stat().st_mtime_ns for path in only_run(tmp_path).rglob("*")}
    again, out, _ = run()
    assert again == 0
    assert "complete, skipped" in out
    assert out.split("skipped")[1].strip() in first  # the same table once more
    assert {path: path.stat().st_mtime_ns for path in only_run(tmp_path).rglob("*")} == before


def test_a_run_stopped_after_two_epochs_goes_on_to_the_same_result(run, tmp_path, monkeypatch):
    run("seed=3")
    expected = only_run(tmp_path)
    expected.rename(tmp_path / "expected")

    from xairank.experiment.callbacks import MetricsCallback

    original = MetricsCallback.on_train_epoch_start

    def stop(self, trainer, module):
        if trainer.current_epoch == 2:
            raise ZeroDivisionError("power cut")
        original(self, trainer, module)

    with monkeypatch.context() as patch:
        patch.setattr(MetricsCallback, "on_train_epoch_start", stop)
        with pytest.raises(ZeroDivisionError):
            run("seed=3")
    assert not (only_run(tmp_path) / "run.json").exists()
    torch.rand(17)
    status, _, err = run("seed=3")
    assert status == 0, err
    for name in ("scores.parquet", "metrics.csv", "excluded.csv", "maps.npz"):
        assert (only_run(tmp_path) / name).read_bytes() == (tmp_path / "expected" / name).read_bytes(), name


def test_only_the_explanation_is_done_again_where_only_that_is_missing(run, tmp_path, monkeypatch):
    run()
    folder = only_run(tmp_path)
    scores, checkpoint = (folder / "scores.parquet").read_bytes(), folder / "checkpoints" / "last.ckpt"
    written = checkpoint.stat().st_mtime_ns
    (folder / "run.json").unlink()
    (folder / "scores.parquet").unlink()
    run()
    assert (folder / "scores.parquet").read_bytes() == scores
    assert checkpoint.stat().st_mtime_ns == written


class PowerCut(BaseException):
    """What no code catches."""


def cut_after(parts, monkeypatch):
    """Ends the process' work when a few parts are explained."""
    from xairank.experiment.explaining import Parts

    original = Parts.add

    def add(self, part):
        if len(self.scores()) == parts:
            raise PowerCut
        original(self, part)

    monkeypatch.setattr(Parts, "add", add)


def test_a_run_stopped_while_explaining_goes_on_where_it_stopped(run, tmp_path, monkeypatch):
    from xairank.experiment import scoring

    run("attribution.batch_limit=3")
    only_run(tmp_path).rename(tmp_path / "expected")
    explained = []
    original = scoring.explain
    monkeypatch.setattr(
        scoring,
        "explain",
        lambda *arguments, **options: explained.append(len(arguments[2])) or original(*arguments, **options),
    )
    with monkeypatch.context() as patch:
        cut_after(3, patch)
        with pytest.raises(PowerCut):
            run("attribution.batch_limit=3")
    assert not (only_run(tmp_path) / "run.json").exists()
    before = sum(explained[:3])
    explained.clear()
    status, _, err = run("attribution.batch_limit=3")
    assert status == 0, err
    for name in ("scores.parquet", "excluded.csv", "maps.npz"):
        assert (only_run(tmp_path) / name).read_bytes() == (tmp_path / "expected" / name).read_bytes(), name
    scores = pd.read_parquet(only_run(tmp_path) / "scores.parquet")
    assert sum(explained) == scores["sample"].nunique() - before
    assert not (only_run(tmp_path) / "explained").exists()


def test_maps_are_added_to_a_complete_run_and_nothing_else_is_changed(run, tmp_path, monkeypatch):
    run()
    only_run(tmp_path).rename(tmp_path / "with_maps")
    run("attribution.keep_maps=false")
    folder = only_run(tmp_path)
    assert not (folder / "maps.npz").exists()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "run.json"}
    record = json.loads((folder / "run.json").read_text())

    from xairank.experiment import run as room

    with monkeypatch.context() as patch:
        patch.setattr(room, "fit", lambda *_: pytest.fail("trained again"))
        status, out, err = run("attribution.keep_maps=true")
    assert status == 0, err
    assert "complete, maps added" in out
    assert (folder / "maps.npz").read_bytes() == (tmp_path / "with_maps" / "maps.npz").read_bytes()
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    now = json.loads(after.pop(folder / "run.json"))
    del after[folder / "maps.npz"]
    assert after == before
    assert now["seconds"].pop("maps") > 0
    assert now == record
    _, out, _ = run("attribution.keep_maps=false")
    assert "complete, skipped" in out
    assert (folder / "maps.npz").exists()


def test_maps_of_another_model_are_refused(run, tmp_path):
    run("attribution.keep_maps=false")
    folder = only_run(tmp_path)
    scores = pd.read_parquet(folder / "scores.parquet")
    scores.loc[3, "topk_overlap"] += 0.2
    scores.to_parquet(folder / "scores.parquet", index=False)
    status, _, err = run()
    assert status == 2
    assert "its maps, made now, do not have the scores that the run wrote (a score differs by 0.2" in err
    assert not (folder / "maps.npz").exists()


def test_a_finished_checkpoint_is_without_the_optimizer_and_can_still_be_explained(run, tmp_path):
    run()
    folder = only_run(tmp_path)
    checkpoint = folder / "checkpoints" / "last.ckpt"
    content = torch.load(checkpoint, weights_only=True)
    assert content["optimizer_states"] == []
    weights = sum(tensor.nbytes for tensor in content["state_dict"].values())
    assert checkpoint.stat().st_size < 1.2 * weights
    scores = (folder / "scores.parquet").read_bytes()
    for name in ("run.json", "scores.parquet", "maps.npz"):
        (folder / name).unlink()
    status, _, err = run()
    assert status == 0, err
    assert (folder / "scores.parquet").read_bytes() == scores


def test_a_running_checkpoint_keeps_the_optimizer(run, tmp_path, monkeypatch):
    cut_after(0, monkeypatch)
    with pytest.raises(PowerCut):
        run("trainer.max_epochs=1")
    content = torch.load(only_run(tmp_path) / "checkpoints" / "last.ckpt", weights_only=True)
    assert content["optimizer_states"][0]["state"]


def test_any_argument_of_the_trainer_is_a_key(run, tmp_path):
    run("trainer.max_epochs=2", "name=plain")
    plain = next(tmp_path.glob("multirun/plain/*"))
    status, _, err = run("trainer.max_epochs=2", "trainer.gradient_clip_val=1.0e-3", "trainer.limit_train_batches=2")
    assert status == 0, err
    folder = only_run(tmp_path)
    assert "trainer.gradient_clip_val" in run_label(["++trainer.gradient_clip_val=1.0e-3"], 1)
    trainer = yaml.safe_load((folder / "config.yaml").read_text())["trainer"]
    assert (trainer["gradient_clip_val"], trainer["limit_train_batches"]) == (0.001, 2)
    steps = [torch.load(path / "checkpoints/last.ckpt", weights_only=True)["global_step"] for path in (plain, folder)]
    assert steps == [8, 4]
    assert (
        json.loads((folder / "run.json").read_text())["identity"]
        != (json.loads((plain / "run.json").read_text())["identity"])
    )


def test_an_experiment_may_set_arguments_of_the_trainer(tmp_path):
    from tests.test_config import composed

    file = tmp_path / "conf" / "experiment" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("# @package _global_\ntrainer:\n  gradient_clip_val: 1\n")
    config = composed("experiment=mine", f"hydra.searchpath=[{tmp_path / 'conf'}]")
    assert config["trainer"]["gradient_clip_val"] == 1


def test_accumulated_batches_have_dropout_of_their_own(run, tmp_path, monkeypatch):
    from xairank.models import MultitaskModule

    seeds = []
    original = MultitaskModule.training_step

    def training_step(self, batch):
        loss = original(self, batch)
        seeds.append(torch.initial_seed())
        return loss

    monkeypatch.setattr(MultitaskModule, "training_step", training_step)
    status, _, err = run("trainer.max_epochs=2", "trainer.accumulate_grad_batches=2")
    assert status == 0, err
    assert len(set(seeds)) == len(seeds) == 8


def test_epochs_without_evaluation_are_left_empty(run, tmp_path):
    status, _, err = run("trainer.max_epochs=4", "trainer.check_val_every_n_epoch=2")
    assert status == 0, err
    metrics = pd.read_csv(only_run(tmp_path) / "metrics.csv")
    assert metrics["test_loss"].isna().tolist() == [True, False, True, False]
    assert metrics["train_loss"].notna().all()


def test_the_checkpoint_is_the_model_that_was_explained_whenever_it_was_evaluated(run, tmp_path):
    status, _, err = run("trainer.max_epochs=3", "trainer.check_val_every_n_epoch=2", "attribution.keep_maps=false")
    assert status == 0, err
    checkpoint = torch.load(only_run(tmp_path) / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["epoch"] == 2
    status, out, err = run("trainer.max_epochs=3", "trainer.check_val_every_n_epoch=2")
    assert status == 0, err
    assert "maps added" in out


def test_a_sweep_that_is_never_evaluated_has_tables_and_figures(run, tmp_path, monkeypatch):
    from xairank.figures import __main__ as figures
    from xairank.tables import __main__ as tables

    status, _, err = run("trainer.max_epochs=1", "trainer.limit_val_batches=0")
    assert status == 0, err
    for main, arguments in ((tables.main, ["name=test"]), (figures.main, ["name=test", "formats=svg"])):
        monkeypatch.setattr(sys, "argv", ["", *arguments])
        main()
    assert (tmp_path / "multirun/test/figures/figure5_curves.svg").is_file()


def test_limits_that_end_training_before_an_epoch_are_named(run):
    status, _, err = run("trainer.limit_train_batches=0")
    assert status == 2
    assert err == (
        "xairank: error: trainer.limit_train_batches=0: no epoch was trained; remove what ends training before one is "
        "over\n"
    )


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


def test_the_record_of_a_run_serves_without_its_data(run, tmp_path):
    from xairank.schema import method_facts, metric_facts

    run("trainer.max_epochs=1")
    record = json.loads((only_run(tmp_path) / "run.json").read_text())
    assert record["classes"] == ["crack", "good", "hole"]
    labels = {facts.label: facts.control for facts in method_facts(record).values()}
    assert [label for label, control in labels.items() if not control] == [
        "Grad-CAM",
        "Saliency",
        "Integrated gradients",
    ]
    controls = dict.fromkeys(("Random", "Centre", "Edges", "Constant"), "no evidence") | {"Own mask": "own evidence"}
    assert {label: control for label, control in labels.items() if control} == controls
    costs = record["costs"]
    assert {name: costs[name]["forward_passes"] for name in ("gradcam", "saliency")} == {"gradcam": 1, "saliency": 2}
    assert all(some["milliseconds"] > 0 for some in costs.values())
    assert metric_facts(record)["topk_overlap"].label == "Top-K Overlap"
    assert (record["format"], record["device"], record["weights"]) == (2, "cpu", None)
    assert record["threads"] == torch.get_num_threads()
    assert isinstance(record["kernels"], bool)
    assert record["batch_limit"] == min(16, 2 * torch.get_num_threads())
    assert len(record["data"]) == 64
    assert set(record["versions"]) >= {"python", "torch", "timm", "xairank"}


@pytest.mark.parametrize("change", ["an image less", "another image", "another mask"])
def test_a_run_does_not_go_on_with_other_data(run, tmp_path, change):
    run("trainer.max_epochs=1")
    (only_run(tmp_path) / "run.json").unlink()
    nuts = tmp_path / "data" / "nuts"
    if change == "an image less":
        (nuts / "train/good/000.png").unlink()
    elif change == "another image":
        Image.new("RGB", (48, 48), (9, 80, 200)).save(nuts / "train/good/000.png")
    else:
        mask = np.zeros((48, 48), np.uint8)
        mask[3:9, 3:9] = 255
        Image.fromarray(mask).save(nuts / "ground_truth/crack/000_mask.png")
    status, _, err = run("trainer.max_epochs=1")
    assert status == 2
    assert "the images, masks or split have changed since this run began" in err
    assert err.count("\n") == 1
    assert not (only_run(tmp_path) / "run.json").exists()


MISTAKES = {
    "unknown key": (["model.betta=1"], "model.betta: no such key; did you mean model.beta?"),
    "unknown group": (
        ["data=imagenet"],
        "data=imagenet: no such option; expected folder or mvtec or synthetic",
    ),
    "impossible value": (["model.beta=-1"], "model.beta=-1 is not allowed: expected a number of at least 0"),
    "wrong type": (["model.beta=much"], "model.beta=much is not allowed: expected a number"),
    "fold": (["data.fold=9"], "data.fold=9 is not allowed: data.n_folds=5 folds are numbered from 0 to 4"),
    "encoder": (["model.encoder=efficientnet_b99"], "model.encoder=efficientnet_b99: not a model of timm"),
    "category": (["data.category=walnut"], "data.category=walnut: not in data.root=data, which holds nuts"),
    "data": (["data.root=nowhere"], "data.root=nowhere: no such folder; get MVTec AD with data.download=true"),
    "weights": (["model.encoder_weights=w.pth"], "model.encoder_weights=w.pth: no such file"),
    "accelerator": (["trainer.accelerator=mps"], "trainer.accelerator=mps: "),
    "method": (
        ["attribution.methods.integrated_gradients.rule=simpson"],
        "attribution.methods.integrated_gradients: rule=simpson is not allowed: expected gauss_legendre",
    ),
    "trainer's argument": (
        ["trainer.gradient_clip_value=1"],
        "trainer.gradient_clip_value: no such key; did you mean trainer.gradient_clip_val?",
    ),
    "trainer's value": (
        ["trainer.gradient_clip_val=much"],
        "trainer.gradient_clip_val=much is not allowed: expected",
    ),
    "trainer's share": (
        ["trainer.limit_train_batches=2.5"],
        "trainer.limit_train_batches=2.5: You have passed invalid",
    ),
    "trainer's own": (["trainer.callbacks=[]"], "trainer.callbacks: is set by xairank, not by you; remove it"),
    "trainer's logger": (["trainer.logger=true"], "choose a logger with logger=tensorboard or wandb"),
    "two devices": (["trainer.devices=2"], "trainer.devices=2 is not allowed: expected 1, or a list with the index"),
    "metric": (
        ["+evaluation.metrics.mine._target_=xairank.evaluation.Nothing"],
        "evaluation.metrics.mine: Error loading 'xairank.evaluation.Nothing'",
    ),
    "metric's option": (["+evaluation.metrics.topk_iou.k=2"], "evaluation.metrics.topk_iou: "),
    "not a method": (
        ["attribution.methods.saliency._target_=builtins.dict"],
        "attribution.methods.saliency: builtins.dict cannot be called",
    ),
    "method's option": (
        ["+attribution.methods.saliency.power=2"],
        "attribution.methods.saliency: ",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_line_and_status_2_and_leaves_nothing(run, tmp_path, arguments, message):
    status, _, err = run(*arguments)
    lines = [line for line in err.splitlines() if line]
    assert status == 2
    assert len(lines) == 1, err
    assert lines[0].startswith("xairank: error: ")
    assert message in lines[0]
    assert not (tmp_path / "multirun").exists()


@pytest.mark.parametrize(
    ("breakage", "message"),
    [
        (lambda c: (c / "ground_truth/crack/001_mask.png").unlink(), "its mask"),
        (lambda c: (c / "test/crack/001.png").write_bytes(b""), "001.png: is empty"),
    ],
)
def test_a_broken_data_set_is_one_line_and_leaves_nothing(run, tmp_path, breakage, message):
    breakage(tmp_path / "data" / "nuts")
    status, _, err = run()
    assert status == 2
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "multirun").exists()


def test_a_checkpoint_cut_in_half_is_named(run, tmp_path):
    run()
    folder = only_run(tmp_path)
    (folder / "run.json").unlink()
    checkpoint = folder / "checkpoints" / "last.ckpt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    status, _, err = run()
    assert status == 2
    assert "last.ckpt: cannot be read" in err
    assert "delete it to train this run again" in err


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
