import copy
import json

import pandas as pd
import pytest
import yaml

from tests.test_config import composed
from xairank.errors import UserError
from xairank.runs.folder import RunFolder, identity, run_label


@pytest.fixture(scope="module")
def config():
    return composed("data=synthetic")


def changed(config, key, value):
    config = copy.deepcopy(config)
    *groups, name = key.split(".")
    place = config
    for group in groups:
        place = place[group]
    place[name] = value
    return config


@pytest.mark.parametrize(
    ("overrides", "label"),
    [
        ([], "seed=42"),
        (["seed=42"], "seed=42"),
        (["name=x", "data.root=/a/b", "model.encoder_weights=/a/b.pth", "experiment=demo"], "seed=42"),
        (["seed=42", "model.beta=0"], "model.beta=0,seed=42"),
        (["model.encoder=resnet18", "data=synthetic"], "data=synthetic,model.encoder=resnet18,seed=42"),
        (["+model.extra=a/b c"], "model.extra=a-b-c,seed=42"),
    ],
)
def test_a_folder_is_named_by_its_overrides(overrides, label):
    assert run_label(overrides, 42) == label


def test_a_very_long_label_is_cut_and_stays_unique():
    labels = {run_label([f"data.category={'x' * 300}{end}"], 1) for end in "ab"}
    assert len(labels) == 2
    assert max(map(len, labels)) < 200


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "other"),
        ("data.root", "/elsewhere"),
        ("data.table", "elsewhere.csv"),
        ("data.num_workers", 0),
        ("logger", {"_target_": "x"}),
    ],
)
def test_places_are_not_part_of_the_identity(config, key, value):
    assert identity(changed(config, key, value)) == identity(config)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 43),
        ("model.beta", 0.5),
        ("data.fold", 1),
        ("data.synthetic.seed", 1),
        ("attribution.methods", {"gradcam": {"_target_": "xairank.attribution.GradCAM"}}),
        ("ranking.ties", "first"),
    ],
)
def test_everything_else_is_part_of_the_identity(config, key, value):
    assert identity(changed(config, key, value)) != identity(config)


def test_the_place_of_a_weight_file_does_not_count_but_its_name_does(config):
    here, there, other = (
        identity(changed(config, "model.encoder_weights", p)) for p in ("a/w.pth", "b/w.pth", "a/v.pth")
    )
    assert here == there != other


def test_a_run_is_complete_if_and_only_if_its_record_says_so(tmp_path, config):
    folder = RunFolder(tmp_path / "run", config)
    assert not folder.complete
    folder.claim()
    folder.write_table("scores.parquet", pd.DataFrame({"a": [1]}))
    assert not folder.complete
    folder.finish({"seconds": {}})
    assert folder.complete
    assert json.loads((tmp_path / "run" / "run.json").read_text())["identity"] == identity(config)
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text()) == config


def test_a_folder_of_another_configuration_is_refused_with_the_difference(tmp_path, config):
    RunFolder(tmp_path / "run", config).claim()
    RunFolder(tmp_path / "run", changed(config, "data.root", "/moved")).claim()
    with pytest.raises(UserError, match=r"another configuration \(model.beta=1.0 there, 2.0 here\)"):
        RunFolder(tmp_path / "run", changed(config, "model.beta", 2.0)).claim()


def test_a_file_where_the_folder_should_be_is_named(tmp_path, config):
    (tmp_path / "run").write_text("")
    with pytest.raises(UserError, match="run: cannot write the run folder"):
        RunFolder(tmp_path / "run", config).claim()


@pytest.mark.parametrize("content", ["{", "\xff"])
def test_a_broken_record_is_named(tmp_path, config, content):
    (tmp_path / "run.json").write_text(content, encoding="latin-1")
    with pytest.raises(UserError, match=r"run.json: not valid JSON"):
        _ = RunFolder(tmp_path, config).complete


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, config):
    folder = RunFolder(tmp_path, config)
    folder.write_table("scores.parquet", pd.DataFrame({"a": [1]}))
    with pytest.raises(Exception, match="object"):
        folder.write_table("scores.parquet", pd.DataFrame({"a": [object()]}))
    assert pd.read_parquet(tmp_path / "scores.parquet")["a"].tolist() == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["scores.parquet"]


def test_a_failure_is_told_in_the_folder_until_the_next_attempt(tmp_path, config):
    folder = RunFolder(tmp_path / "run", config)
    folder.fail("nuts: no such folder\n")
    assert (folder.path / "error.txt").read_text() == "nuts: no such folder\n"
    assert not folder.complete
    RunFolder(folder.path, config).claim()
    assert not (folder.path / "error.txt").exists()


def test_a_failure_is_not_told_in_the_folder_of_another_run(tmp_path, config):
    RunFolder(tmp_path / "run", config).claim()
    RunFolder(tmp_path / "run", changed(config, "model.beta", 7)).fail("belongs to another")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config.yaml"]
