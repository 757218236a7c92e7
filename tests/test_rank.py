"""``python -m xairank.rank`` as a user runs it, on a tiny category that a hand-made network classifies."""

import importlib
import json
import sys

import pandas as pd
import pytest
import torch
import yaml

import xairank
from tests.bad_inputs.making import NETS, write_network
from tests.conftest import write_category
from tests.training import QUICK as TRAIN
from tests.training import command
from xairank.errors import UserError
from xairank.runs.sweep import read_sweep
from xairank.tables.collection import make_tables

rank = importlib.import_module("xairank.rank")
DATA = ["data.root=data", "data.category=nuts", "data.image_size=48"]
NETWORK = ["name=test", *DATA, "device=cpu", "model=python", "model.factory=nets:build", "model.weights=net.pth"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with a tiny category, ``nets.py`` and the weights of its network."""
    write_category(tmp_path / "data" / "nuts", good=10, defects=8)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    write_network()
    yield tmp_path
    sys.modules.pop("nets", None)


@pytest.fixture
def run(place, monkeypatch, capsys):
    return lambda *arguments: command(monkeypatch, capsys, *arguments, main=rank.main)


def runs_of(place, name="test"):
    return sorted(path.parent for path in (place / "multirun" / name).glob("*/run.json"))


def test_a_network_is_ranked_and_leaves_a_complete_run(run, place):
    status, out, err = run(*NETWORK)
    assert status == 0, err
    assert "Feature map: 1, 2 channels of 48 x 48." in out
    assert "the outputs are taken as crack, good, hole" in out
    assert "Balanced accuracy of the classifier: 1.00 (test)" in out
    (folder,) = runs_of(place)
    assert {path.name for path in folder.iterdir()} == {
        *("config.yaml", "scores.parquet", "excluded.csv", "maps.npz", "run.json")
    }
    scores, excluded = pd.read_parquet(folder / "scores.parquet"), pd.read_csv(folder / "excluded.csv")
    assert set(scores["sample"]) == {f"{label}/{n:03}" for label in ("crack", "hole") for n in range(8)}
    assert set(scores["split"]) == {"test"}
    assert scores["fold"].isna().all()
    assert (excluded["reason"] == "good").all()
    assert len(excluded) == 10
    record = json.loads((folder / "run.json").read_text())
    assert (record["status"], record["classes"], record["layer"]) == ("complete", ["crack", "good", "hole"], "1")
    # The network looks at the brightest and the darkest pixel, which lie in the defect.
    assert scores.groupby("method")["topk_overlap"].mean()["gradcam"] > 0.9
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["model"]["factory"] == "nets:build"


def test_a_complete_run_is_skipped_and_other_weights_are_another_run(run, place):
    run(*NETWORK)
    assert "complete, skipped" in run(*NETWORK)[1]
    write_network(**{"4.bias": torch.tensor([0.0, 0.6, 0.0])})
    run(*NETWORK)
    assert len(runs_of(place)) == 2


def test_checkpoints_of_a_sweep_take_the_place_of_seeds(run, place):
    for number in range(3):
        write_network(**{"4.bias": torch.tensor([0.0, 0.4 + 0.1 * number, 0.0])})
        (place / "net.pth").rename(place / f"{number}.pth")
    arguments = [one for one in NETWORK if not one.startswith("model.weights")]
    status, _, err = run(*arguments, "model.weights=0.pth,1.pth,2.pth", "-m")
    assert status == 0, err
    sweep = read_sweep(place / "multirun" / "test")
    (group,) = sweep.groups
    assert sorted(set(sweep.scores["seed"])) == sorted(set(sweep.excluded["seed"])) == [0, 1, 2]
    assert group.seeds == "3 networks (0.pth, 1.pth and 2.pth)"
    tables, conclusions = make_tables(sweep)
    always = {"hyperparameters", "win_rate_test", "ranking", "statistics", "agreement", "by_defect"}
    assert {table.name for table in tables} == always
    assert set(tables[2].data["n_seeds"]) == {3}
    assert any("3 networks say little about other networks." in line for line in conclusions)
    assert not any("seed" in line for line in conclusions)


def test_the_same_network_twice_is_refused(run, place):
    for name in ("a", "b"):
        write_network()
        (place / "net.pth").rename(place / f"{name}.pth")
        arguments = [one for one in NETWORK if not one.startswith("model.weights")]
        assert run(*arguments, f"model.weights={name}.pth")[0] == 0
    with pytest.raises(UserError, match="the same configuration, seed and fold in two folders"):
        read_sweep(place / "multirun" / "test")


def test_a_class_that_only_the_network_knows_is_no_mistake(run, place):
    weights = {"4.weight": torch.cat([torch.eye(2)[:1], torch.zeros(2, 2), torch.eye(2)[1:]])}
    write_network(**weights, **{"4.bias": torch.tensor([0.0, 0.5, -9.0, 0.0])})
    arguments = [*NETWORK, "model.classes=[crack,good,scratch,hole]", "model.arguments.classes=4"]
    status, out, err = run(*arguments)
    assert status == 0, err
    (folder,) = runs_of(place)
    assert json.loads((folder / "run.json").read_text())["classes"] == ["crack", "good", "scratch", "hole"]
    assert "model.classes=[...] says otherwise" not in out


def test_class_names_may_stand_in_a_text_file(run, place):
    (place / "classes.txt").write_text("crack\ngood\nhole\n")
    assert run(*NETWORK, "model.classes=classes.txt")[0] == 0
    (folder,) = runs_of(place)
    assert yaml.safe_load((folder / "config.yaml").read_text())["model"]["classes"] == ["crack", "good", "hole"]


def test_a_fold_and_a_split_of_the_data_are_kept(run, place):
    run(*NETWORK, "data.fold=0")
    (folder,) = runs_of(place)
    assert set(pd.read_parquet(folder / "scores.parquet")["split"]) == {"train", "test"}
    rows = [
        f"data/nuts/test/{label}/{n:03}.png,data/nuts/ground_truth/{label}/{n:03}_mask.png,{label},{split}"
        for label in ("crack", "hole")
        for n, split in enumerate(["train"] * 5 + ["test"] * 3)
    ]
    (place / "nuts.csv").write_text("\n".join(["image,mask,label,split", *rows]))
    table = ["data=folder", "data.table=nuts.csv", "model.classes=[crack,good,hole]", "name=table"]
    drop = ("data.root", "name=")
    assert run(*(one for one in NETWORK if not one.startswith(drop)), *table)[0] == 0
    (folder,) = runs_of(place, "table")
    counts = pd.read_parquet(folder / "scores.parquet").drop_duplicates("sample")["split"].value_counts()
    assert counts.to_dict() == {"train": 10, "test": 6}


def test_one_class_of_defects_is_enough_to_rank(run, place):
    for part in ("test/hole", "ground_truth/hole", "train/good", "test/good"):
        for path in (place / "data/nuts" / part).iterdir():
            path.unlink()
        (place / "data/nuts" / part).rmdir()
    status, _, err = run(*NETWORK, "model.classes=[crack,good,hole]")
    assert status == 0, err


def test_a_network_without_feature_map_is_ranked_without_gradcam(run, place):
    (place / "nets.py").write_text(NETS + FLAT)
    status, out, err = run(*[one for one in NETWORK if "model." not in one], "model.factory=nets:difference")
    assert status == 0, err
    assert "gradcam is left out: it needs a feature map" in out
    (folder,) = runs_of(place)
    assert json.loads((folder / "run.json").read_text())["left_out"] == ["gradcam", "own_mask"]
    ranked = set(pd.read_parquet(folder / "scores.parquet")["method"]) - {"random", "center", "edges", "constant"}
    assert ranked == {"saliency", "integrated_gradients"}


FLAT = """

import torch


class Difference(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(9.0))

    def forward(self, images):
        flat = images.flatten(1)
        bright, dark = flat.topk(20).values.mean(1), (-flat).topk(20).values.mean(1)
        return self.scale * torch.stack([bright - 0.8, 0.05 + 0 * bright, dark + 0.2], 1)


def difference():
    return Difference()
"""


def test_a_run_brings_its_data_view_methods_and_seed(place, run, monkeypatch, capsys):
    assert command(monkeypatch, capsys, *TRAIN, "trainer.max_epochs=1", "seed=7")[0] == 0
    (trained,) = runs_of(place)
    path = trained.relative_to(place)
    assert run("model=run", f"model.path={path}", "name=again")[0] == 0
    (again,) = runs_of(place, "again")
    before, after = (yaml.safe_load((folder / "config.yaml").read_text()) for folder in (trained, again))
    assert after["seed"] == 7
    assert after["data"] == before["data"]
    assert after["attribution"]["methods"] == before["attribution"]["methods"]
    assert run("model=run", f"model.path={path}", "name=other", "data.fold=1", "seed=3")[0] == 0
    (other,) = runs_of(place, "other")
    config = yaml.safe_load((other / "config.yaml").read_text())
    assert (config["seed"], config["data"]["fold"], config["data"]["category"]) == (3, 1, "nuts")
    assert config["data"]["image_size"] == before["data"]["image_size"]


def test_the_module_that_is_the_command_can_be_called_as_the_function(place):
    assert xairank.rank is rank  # importing the command put it here
    images, masks = torch.rand(3, 3, 16, 16), torch.zeros(3, 16, 16, dtype=torch.bool)
    masks[:, 2:6, 2:6] = True
    torch.manual_seed(0)  # of other weights, no unit may be alive
    network = importlib.import_module("nets").build()
    assert len(xairank.rank(network, images, masks).table) == 3
