import json
import re

import pandas as pd
import pytest
import yaml

from tests.runs.test_identity import changed
from tests.test_config import composed
from xairank.errors import UserError
from xairank.runs.folder import FORMAT, RunFolder
from xairank.runs.identity import determining, identity


@pytest.fixture(scope="module")
def config():
    return composed("data=synthetic")


def test_a_run_is_complete_if_and_only_if_its_record_says_so(tmp_path, config):
    folder = RunFolder(tmp_path / "run", config)
    assert not folder.complete
    folder.claim()
    folder.write_table("scores.parquet", pd.DataFrame({"a": [1]}))
    assert not folder.complete
    folder.finish({"seconds": {}})
    assert folder.complete
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record == {
        "status": "complete",
        "format": FORMAT,
        "identity": identity(config),
        "weights": None,
        "seconds": {},
    }
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text()) == config


def test_a_folder_of_another_configuration_is_refused_with_the_difference(tmp_path, config):
    RunFolder(tmp_path / "run", config).claim()
    RunFolder(tmp_path / "run", changed(config, "data.root", "/moved")).claim()
    with pytest.raises(UserError, match=r"another configuration \(model.beta=1 there, 2 here\)"):
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


WEIGHTS = "a" * 64


def test_a_folder_begun_with_other_weights_is_refused(tmp_path, config):
    begun = RunFolder(tmp_path / "run", config, WEIGHTS)
    begun.claim(data="d")
    RunFolder(tmp_path / "run", config, WEIGHTS).claim(data="d")
    with pytest.raises(UserError, match=r"another configuration \(weights=aaaaaaaa there, bbbbbbbb here\)"):
        RunFolder(tmp_path / "run", config, "b" * 64).claim(data="d")
    begun.finish({})
    with pytest.raises(UserError, match=r"weights=aaaaaaaa there, None here"):
        RunFolder(tmp_path / "run", config).check_owner()
    assert json.loads((tmp_path / "run" / "run.json").read_text())["weights"] == WEIGHTS


@pytest.mark.parametrize("complete", [True, False])
def test_a_configuration_edited_in_the_folder_is_noticed(tmp_path, config, complete):
    folder = RunFolder(tmp_path / "run", config)
    folder.claim(data="d")
    if complete:
        folder.finish({})
    path = tmp_path / "run" / "config.yaml"
    path.write_text(yaml.safe_dump(changed(config, "model.beta", 5)))
    with pytest.raises(
        UserError, match=r"config.yaml: was changed after this run began \(model.beta=5 there, 1 here\)"
    ):
        folder.claim()
    # Nor is the folder the edited configuration's.
    with pytest.raises(UserError, match=r"config.yaml: was changed after the run in this folder began"):
        RunFolder(tmp_path / "run", changed(config, "model.beta", 5)).claim()


def test_a_run_of_another_version_is_refused_in_one_line(tmp_path, config):
    folder = RunFolder(tmp_path / "run", config)
    folder.claim()
    (tmp_path / "run" / "run.json").write_text(json.dumps({"status": "complete", "format": 1, "identity": "x"}))
    with pytest.raises(UserError, match=r"run: holds a run of format 1, of another version .* name=..., or delete"):
        folder.claim()


def test_a_run_goes_on_with_the_data_it_began_with_only(tmp_path, config):
    folder = RunFolder(tmp_path / "run", config)
    folder.claim(data="one")
    folder.claim(data="two")  # nothing is trained yet
    folder.checkpoint.write_text("weights")
    folder.claim(data="two")
    with pytest.raises(UserError, match="the images, masks or split have changed since this run began"):
        folder.claim(data="one")


def test_a_complete_run_can_be_amended_and_stays_complete(tmp_path, config):
    folder = RunFolder(tmp_path / "run", config)
    folder.claim()
    folder.finish({"seconds": {"training": 1}, "classes": ["a"]})
    folder.amend({"seconds": {"training": 1, "maps": 2}})
    assert folder.complete
    assert folder.record["seconds"] == {"training": 1, "maps": 2}
    assert folder.record["classes"] == ["a"]
    folder.claim()


def test_a_file_cut_off_at_any_length_is_named_or_says_the_same(tmp_path, config):
    folder = RunFolder(tmp_path / "run", config)
    folder.claim(data="d")
    folder.finish({"classes": ["a"]})
    for name in ("config.yaml", "run.json"):
        path = folder.path / name
        whole = path.read_bytes()
        for length in range(0, len(whole), 23):
            path.write_bytes(whole[:length])
            try:
                folder.claim()
            except UserError as error:
                assert re.match(rf"{folder.path}(/{name})?: ", str(error))  # noqa: PT017
            else:  # what is cut off is nothing that results depend on
                assert determining(yaml.safe_load(path.read_text())) == determining(config)
        path.write_bytes(whole)
        folder.claim()
