"""What may not be pooled, or taken for what it is not: other data, other trainings, files that changed."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from tests.bad_inputs.making import write_network
from tests.test_rank import DATA, NETWORK, place, run, runs_of
from tests.training import QUICK as TRAIN
from tests.training import command as run_train
from xairank.errors import UserError
from xairank.runs.sweep import read_sweep

__all__ = ["place", "run"]  # fixtures


@pytest.fixture
def trained(place, monkeypatch, capsys):
    """A training, and its folder relative to the working folder."""
    assert run_train(monkeypatch, capsys, *TRAIN, "trainer.max_epochs=1")[0] == 0
    return runs_of(place)[0].relative_to(place)


def config_of(folder):
    return yaml.safe_load((folder / "config.yaml").read_text())


def test_a_run_whose_data_moved_keeps_its_fold(place, run, trained):
    shutil.copytree(place / "data", place / "moved")
    shutil.rmtree(place / "data")
    status, _, err = run("model=run", f"model.path={trained}", "data.root=moved", "name=moved")
    assert status == 0, err
    (folder,) = runs_of(place, "moved")
    before, after = config_of(place / trained)["data"], config_of(folder)["data"]
    assert after == {**before, "root": "moved"}
    excluded = pd.read_csv(folder / "excluded.csv")
    assert set(excluded["split"]) == {"train", "test"}


def test_another_category_is_other_data(place, run, trained):
    shutil.copytree(place / "data/nuts", place / "data/bolts")
    run("model=run", f"model.path={trained}", "data.root=data", "data.category=bolts", "name=bolts")
    (folder,) = runs_of(place, "bolts")
    data = config_of(folder)["data"]
    assert (data["fold"], data["image_size"]) == (None, 48)


def test_data_that_changed_since_the_training_is_refused(place, run, trained):
    (place / "data/nuts/train/good/000.png").unlink()
    status, _, err = run("model=run", f"model.path={trained}", "name=changed")
    assert status == 2
    assert "was trained on other images or masks than data.category=nuts has now" in err
    assert not (place / "multirun" / "changed").exists()


def test_runs_of_other_trainings_are_groups_of_their_own(place, run, trained, monkeypatch, capsys):
    assert run_train(monkeypatch, capsys, *TRAIN, "trainer.max_epochs=1", "model.beta=0")[0] == 0
    for path in runs_of(place):
        assert run("model=run", f"model.path={path.relative_to(place)}", "name=both")[0] == 0
    assert [group.name for group in read_sweep(place / "multirun/both").groups] == ["model.beta=0", "model.beta=1"]


def write_maps(place, tool, methods, seed):
    generator = np.random.default_rng(seed)
    for method in methods:
        for path in (place / "data/nuts/ground_truth").glob("*/*"):
            file = place / tool / method / path.parent.name / f"{path.name.removesuffix('_mask.png')}.npy"
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, generator.random((9, 9)))


def test_maps_of_two_tools_are_groups_of_their_own(place, run):
    for seed, tool in enumerate(("first", "second")):
        write_maps(place, tool, ("x", "y"), seed)
        assert run("name=maps", *DATA, f"maps={tool}")[0] == 0
    assert [group.name for group in read_sweep(place / "multirun/maps").groups] == ["maps=first", "maps=second"]


def test_maps_that_were_corrected_are_not_averaged_with_the_others(place, run):
    for seed in range(2):
        write_maps(place, "mine", ("x", "y"), seed)
        assert run("name=maps", *DATA, "maps=mine")[0] == 0
    with pytest.raises(UserError, match="both ranked mine, which changed in between"):
        read_sweep(place / "multirun/maps")


def test_weights_that_were_replaced_are_not_averaged_with_the_old_ones(place, run):
    run(*NETWORK)
    write_network(**{"4.bias": torch.tensor([0.0, 0.6, 0.0])})
    run(*NETWORK)
    with pytest.raises(UserError, match=r"both ranked net.pth, which changed in between"):
        read_sweep(place / "multirun/test")


def test_a_method_that_one_network_does_not_allow_is_not_pooled(place, run):
    write_network(**{"4.bias": torch.tensor([0.0, 0.6, 0.0])})
    (place / "net.pth").rename(place / "other.pth")
    write_network()
    run(*NETWORK)
    others = [one for one in NETWORK if not one.startswith("model.weights")]
    run(*others, "model.weights=other.pth")
    sweep = place / "multirun/test"
    assert read_sweep(sweep).groups[0].seeds == "2 networks (net.pth and other.pth)"
    record = runs_of(place)[0] / "run.json"
    record.write_text(record.read_text().replace('"gradcam": {', '"eigencam": {'))
    with pytest.raises(UserError, match="eigencam, gradcam ranked in one of them only"):
        read_sweep(sweep)


def test_a_network_that_code_alone_makes_is_compared_before_it_is_skipped(place, run):
    alone = [one for one in NETWORK if not one.startswith("model.weights")]
    (place / "nets.py").write_text(
        (place / "nets.py").read_text()
        + "\n\ndef loaded():\n    import torch\n    network = build()\n"
        + "    network.load_state_dict(torch.load('net.pth'))\n    return network\n"
    )
    alone = [one.replace("nets:build", "nets:loaded") for one in alone]
    assert run(*alone)[0] == 0
    assert "complete, skipped" in run(*alone)[1]
    write_network(**{"4.bias": torch.tensor([0.0, 0.6, 0.0])})
    (place / "nets.py").write_text((place / "nets.py").read_text() + "\n\nfrom nets_loaded import loaded\n")
    (place / "nets_loaded.py").write_text(
        "import torch\n\n\ndef loaded():\n    import nets\n    network = nets.build()\n"
        "    network.load_state_dict(torch.load('net.pth'))\n    return network\n"
    )
    status, _, err = run(*alone)
    assert status == 2
    assert "model.factory=nets:loaded now builds another network than the one that was ranked" in err


def test_seeds_and_networks_of_one_sweep_are_pairs(place, run):
    for number in range(2):
        write_network(**{"4.bias": torch.tensor([0.0, 0.4 + 0.1 * number, 0.0])})
        (place / "net.pth").rename(place / f"{number}.pth")
    others = [one for one in NETWORK if not one.startswith("model.weights")]
    assert run(*others, "model.weights=0.pth,1.pth", "seed=1,2", "-m")[0] == 0
    assert sorted(set(read_sweep(place / "multirun/test").scores["seed"])) == [0, 1, 2, 3]
