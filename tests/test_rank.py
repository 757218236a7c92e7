"""``python -m xairank.rank`` as a user runs it, on a tiny category that a hand-made network classifies."""

import importlib
import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

import xairank
from tests.bad_inputs import NETS, write_network
from tests.conftest import write_category
from tests.training import QUICK as TRAIN
from tests.training import command
from xairank.config import CONFIGURATION, flatten, require_keys, validate
from xairank.errors import UserError
from xairank.hydra_command import _arguments
from xairank.rules import RANK_RULES
from xairank.runs.sweep import read_sweep
from xairank.tables.collection import make_tables

rank = importlib.import_module("xairank.rank")
DATA = ["data.root=data", "data.category=nuts", "data.image_size=48"]
NETWORK = ["name=test", *DATA, "device=cpu", "model=python", "model.factory=nets:build", "model.weights=net.pth"]


def composed(*overrides):
    with initialize_config_dir(str(CONFIGURATION.resolve()), version_base="1.3"):
        return OmegaConf.to_container(compose("rank", list(overrides)), resolve=True)


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


# ----------------------------------------------------------------- configuration


def test_every_key_has_a_rule_and_every_rule_a_key():
    config = composed("data=synthetic", "model=timm")
    require_keys(config)
    assert set(flatten(config)) == set(RANK_RULES) - {"data.synthetic"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("model.source", value) for value in ("keras", 3)),
        *((f"model.{key}", value) for key in ("name", "weights", "factory", "path", "layer") for value in ("", 3)),
        *(("model.arguments", value) for value in (None, "a=1")),
        *(("model.classes", value) for value in ([], ["a", "a"], 3, "")),
        *((key, value) for key in ("model.mean", "model.std") for value in ([1], ["a", "b", "c"], "imagenet")),
        ("model.std", [0, 1, 1]),
        *(("device", value) for value in ("gpu", "cuda:x", None)),
        *(("maps", value) for value in ("", 3)),
        *(("maps_sign", value) for value in ("as is", True)),
        *(("predictions", value) for value in ("", 3)),
        *(("data.fold", value) for value in (-1, 1.5)),
    ],
)
def test_an_impossible_value_is_named_with_what_is_allowed(key, value):
    config = composed("model=timm")
    *groups, name = key.split(".")
    place = config
    for group in groups:
        place = place[group]
    place[name] = value
    with pytest.raises(UserError, match=rf"^{key}=.* is not allowed: expected "):
        validate(config)


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("model.path=multirun/paper/seed=42", 'model.path="multirun/paper/seed=42"'),
        ("model.path=a/seed=1,a/seed=2", 'model.path="a/seed=1","a/seed=2"'),
        ("model.weights=my net.pth", 'model.weights="my net.pth"'),
        ("model.path='a/seed=1'", "model.path='a/seed=1'"),
        ("model.path=a/b", "model.path=a/b"),
        ("maps=${name}", "maps=${name}"),
        ("model.beta=0", "model.beta=0"),
    ],
)
def test_paths_may_be_typed_as_they_are(typed, read):
    assert _arguments([typed]) == [read]


def test_a_path_with_a_comma_that_exists_is_one_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=0,seed=1").mkdir()
    assert _arguments(["model.path=a=0,seed=1"]) == ['model.path="a=0,seed=1"']


# ----------------------------------------------------------------- networks


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


# ----------------------------------------------------------------- a run of training


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


# ----------------------------------------------------------------- maps


def test_maps_of_two_methods_are_ranked_by_their_overlap(run, place):
    for method in ("good", "bad"):
        for label in ("crack", "hole"):
            (place / "maps" / method / label).mkdir(parents=True)
            for n in range(8):
                mask = np.asarray(_image(place / f"data/nuts/ground_truth/{label}/{n:03}_mask.png")) > 0
                np.save(place / "maps" / method / label / f"{n:03}.npy", mask if method == "good" else ~mask)
    status, out, err = run("name=maps", *DATA, "maps=maps", "attribution.ladder=true")
    assert status == 0, err
    assert "what the model predicted is not known, so every defect counts" in out
    assert "Balanced accuracy" not in out
    (folder,) = runs_of(place, "maps")
    scores = pd.read_parquet(folder / "scores.parquet").groupby("method")["topk_overlap"].agg(["min", "max", "size"])
    assert scores.loc["good"].tolist() == [1, 1, 16]
    assert scores.loc["bad"].tolist() == [0, 0, 16]
    assert pd.read_parquet(folder / "scores.parquet")["probability"].isna().all()
    blurred = pd.read_parquet(folder / "variants.parquet").groupby(["method", "level"])["topk_overlap"].mean()
    assert blurred.loc["good"].is_monotonic_decreasing
    assert set(blurred.index.get_level_values("level")) == {2, 4, 8, 16, 32}
    assert set(blurred.index.get_level_values("method")) == {"good", "bad", "random", "center", "edges", "constant"}


def test_maps_alone_cannot_be_checked_by_random_weights(run, place):
    (place / "maps" / "mine").mkdir(parents=True)
    status, _, err = run("name=maps", *DATA, "maps=maps", "attribution.randomise=true")
    assert status == 2
    assert "attribution.randomise=true: needs the network, and maps= ranks maps alone" in err


def _image(path):
    from PIL import Image

    return Image.open(path)


def test_maps_of_what_was_misclassified_may_be_there_and_are_not_ranked(run, place):
    rows = ["image,predicted,probability"]
    for label in ("crack", "hole"):
        (place / "maps" / "mine" / label).mkdir(parents=True)
        for n in range(8):
            np.save(place / "maps" / "mine" / label / f"{n:03}.npy", np.random.default_rng(n).random((6, 6)))
            rows.append(f"{label}/{n:03},{'crack' if n < 6 else 'good'},0.{n}")
    rows += [
        f"{path.relative_to(place / 'data/nuts').with_suffix('')},good," for path in place.glob("data/nuts/*/good/*")
    ]
    (place / "predictions.csv").write_text("\n".join(rows))
    status, out, err = run("name=maps", *DATA, "maps=maps", "predictions=predictions.csv")
    assert status == 0, err
    assert "maps of mine are resized bilinearly from 6 x 6 to 48 x 48 pixels" in out
    (folder,) = runs_of(place, "maps")
    scores, excluded = pd.read_parquet(folder / "scores.parquet"), pd.read_csv(folder / "excluded.csv")
    scores = scores[scores["method"] == "mine"]
    assert scores["sample"].tolist() == [f"crack/{n:03}" for n in range(6)]
    assert scores["probability"].tolist() == [n / 10 for n in range(6)]
    assert excluded["reason"].value_counts().to_dict() == {"good": 10, "misclassified": 10}


# ----------------------------------------------------------------- the function of the same name


def test_the_module_that_is_the_command_can_be_called_as_the_function(place):
    assert xairank.rank is rank  # importing the command put it here
    images, masks = torch.rand(3, 3, 16, 16), torch.zeros(3, 16, 16, dtype=torch.bool)
    masks[:, 2:6, 2:6] = True
    network = importlib.import_module("nets").build()
    assert len(xairank.rank(network, images, masks).table) == 3
