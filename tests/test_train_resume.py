"""Runs that were stopped, are done, or lack something: what is done again and what is not."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from tests.training import only_run


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
    from xairank.experiment.parts import Parts

    original = Parts.add

    def add(self, part, place=None):
        if len(self.scores()) == parts:
            raise PowerCut
        original(self, part, place)

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


def test_the_checkpoint_is_the_model_that_was_explained_whenever_it_was_evaluated(run, tmp_path):
    status, _, err = run("trainer.max_epochs=3", "trainer.check_val_every_n_epoch=2", "attribution.keep_maps=false")
    assert status == 0, err
    checkpoint = torch.load(only_run(tmp_path) / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["epoch"] == 2
    status, out, err = run("trainer.max_epochs=3", "trainer.check_val_every_n_epoch=2")
    assert status == 0, err
    assert "maps added" in out


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
    assert record["batch_limit"] == min(16, 4 * torch.get_num_threads())
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
