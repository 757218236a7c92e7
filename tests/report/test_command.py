"""The command that makes a sweep again, given back to Hydra: it must have the configuration it was found from."""

import shlex
from types import SimpleNamespace

import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from tests.runs_fixture import write_fake_sweep
from xairank.config import CONFIGURATION
from xairank.hydra_command import _arguments
from xairank.report.command import command_for
from xairank.runs.sweep import read_sweep


def composed(command, arguments):
    with initialize_config_dir(str(CONFIGURATION.resolve()), version_base="1.3"):
        return OmegaConf.to_container(compose(command, _arguments(arguments)), resolve=True)


def group_of(*configurations):
    return SimpleNamespace(config=configurations[0], runs=pd.DataFrame({"config": list(configurations)}))


@pytest.mark.parametrize(
    ("command", "overrides"),
    [
        ("train", []),
        ("train", ["experiment=demo", "seed=7"]),
        ("train", ["attribution=extended", "~attribution.controls.edges", "attribution.methods.rise.n_masks=9"]),
        ("train", ["data=folder", "data.category=my nuts", "data.table='a, b.csv'", "trainer.max_time=00:01:00:00"]),
        ("train", ["+attribution.methods.mine={_target_:xairank.attribution.Saliency,smooth:3}"]),
        ("rank", ["model=timm", "model.name=resnet18", "model.weights=a.pth", "model.classes=[good,hole]"]),
    ],
)
def test_the_command_has_the_configuration(command, overrides):
    config = composed(command, overrides)
    start, *arguments = shlex.split(command_for(group_of(config)).removeprefix("python -m "))
    assert start == f"xairank.{command}"
    assert composed(command, arguments) == config


def test_a_sweep_is_one_command(tmp_path):
    folder = write_fake_sweep(tmp_path / "s", [3, 1], 4, folds=[0, 2], **{"model.lr": 0.1})
    said = shlex.split(command_for(read_sweep(folder).groups[0]))
    assert said[-3:] == ["seed=1,3", "data.fold=0,2", "-m"]
    assert "model.lr=0.1" in said
    assert not any(one.startswith("data.fold=") for one in said[:-2])


def test_networks_are_repeated_over_as_seeds_are():
    configurations = [
        composed("rank", ["model=timm", "model.name=resnet18", f"model.weights={name}.pth"]) for name in "ab"
    ]
    said = shlex.split(command_for(group_of(*configurations)))
    assert said[-2:] == ["model.weights=a.pth,b.pth", "-m"]


def test_no_command_is_better_than_one_that_makes_something_else():
    config = composed("train", [])
    config["attribution"]["methods"]["odd"] = {"a b": object()}
    assert command_for(group_of(config)) == ""
