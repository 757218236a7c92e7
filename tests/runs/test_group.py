import pandas as pd
import pytest

from tests.runs_fixture import CONTROLS, write_fake_sweep
from xairank.runs.sweep import Sweep, read_sweep


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    return read_sweep(write_fake_sweep(tmp_path_factory.mktemp("multirun") / "paper", n_images=8))


def test_one_group_has_no_name_and_says_what_it_rests_on(sweep: Sweep):
    (group,) = sweep.groups
    assert (group.name, group.suffix) == ("", "")
    ranked = {
        split: sweep.scores.loc[sweep.scores["split"] == split, "sample"].nunique() for split in ("train", "test")
    }
    expected = f"3 seeds; {ranked['train']} training and {ranked['test']} test images ranked."
    assert group.basis(group.scores) == expected
    assert group.basis(group.all_images, "") == "3 seeds; 48 training and 16 test images."
    assert group.run_basis(group.runs.iloc[0]) == "seed 42."


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    folder = tmp_path_factory.mktemp("multirun") / "varied"
    variants = ({"model.beta": 0.0}, {"model.beta": 1.0})
    return read_sweep(write_fake_sweep(folder, seeds=(42,), n_images=4, folds=(0, 1), variants=variants))


def test_groups_hold_their_own_runs_and_say_so(varied: Sweep):
    groups = varied.groups
    assert [group.name for group in groups] == ["model.beta=0", "model.beta=1"]
    assert [group.suffix for group in groups] == ["_model.beta=0", "_model.beta=1"]
    for group in groups:
        for part in (group.scores, group.metrics, group.excluded, group.runs):
            assert set(part["group"]) == {group.name}
        assert group.basis(group.scores).startswith("1 seed, 2 folds; ")
        assert group.basis(group.scores).endswith(f"images ranked; {group.name}.")
        assert group.run_basis(group.runs.iloc[1]) == f"seed 42, fold 1; {group.name}."


def test_scores_of_a_run_are_its_own(varied: Sweep):
    group = varied.groups[1]
    run = group.runs.iloc[1]
    found = group.scores_of(run).drop(columns="group")
    expected = pd.read_parquet(run["folder"] / "scores.parquet")
    pd.testing.assert_frame_equal(found.reset_index(drop=True), expected, check_dtype=False)


def test_runs_without_a_fold(sweep: Sweep):
    (group,) = sweep.groups
    scores = group.scores.assign(fold=pd.array([None] * len(group.scores), "Int64"))
    unfolded = Sweep(sweep.folder, scores, sweep.metrics, sweep.excluded, sweep.runs.assign(fold=None))
    (group,) = unfolded.groups
    assert len(group.scores_of(group.runs.iloc[0])) == (sweep.scores["seed"] == 42).sum()


def test_long_and_odd_names_become_file_names(sweep: Sweep):
    def rename(table):
        odd = table[table["seed"] == 42].assign(group="model.encoder=a/b, attribution.methods.x={}")
        return pd.concat([table, odd], ignore_index=True)

    parts = (rename(part) for part in (sweep.scores, sweep.metrics, sweep.excluded, sweep.runs))
    suffixes = [group.suffix for group in Sweep(sweep.folder, *parts).groups]
    assert suffixes[1] == "_model.encoder=a-b-attribution.methods.x=-"


def test_controls_are_kept_apart_from_the_methods(tmp_path):
    (group,) = read_sweep(write_fake_sweep(tmp_path / "controlled", **{"attribution.controls": CONTROLS})).groups
    assert list(group.methods) == ["gradcam", "saliency", "integrated_gradients"]
    assert list(group.controls) == list(CONTROLS)
    assert set(group.scores["method"]) == set(group.methods)
    assert set(group.control_scores["method"]) == set(CONTROLS)
    assert set(group.controls_of_split("test")["method"]) == {"random", "center"}  # the model's own mask has evidence
    assert set(group.controls_of_split("test")["split"]) == {"test"}
