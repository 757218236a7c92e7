import json
import logging
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.runs_fixture import fake_config, write_fake_run, write_fake_sweep
from xairank.errors import UserError
from xairank.runs.sweep import read_sweep


def test_rows_are_those_of_the_files_with_group_seed_and_fold(tmp_path):
    folder = write_fake_sweep(
        tmp_path / "beta", [7, 3], 8, variants=[{"model.beta": 10.0}, {"model.beta": 2}, {"model.beta": 0.5}]
    )
    sweep = read_sweep(folder)
    assert [group.name for group in sweep.groups] == ["model.beta=0.5", "model.beta=2", "model.beta=10"]
    assert list(sweep.runs["seed"]) == [3, 7] * 3
    for run in sweep.runs.to_dict("records"):
        own = {"group": run["group"], "seed": run["seed"]}
        _assert_same_rows(sweep.scores, own, pd.read_parquet(run["folder"] / "scores.parquet"))
        _assert_same_rows(sweep.metrics, own, pd.read_csv(run["folder"] / "metrics.csv"))
        _assert_same_rows(sweep.excluded, own, pd.read_csv(run["folder"] / "excluded.csv"))
        assert run["config"] == yaml.safe_load((run["folder"] / "config.yaml").read_text())
        assert run["info"] == json.loads((run["folder"] / "run.json").read_text())
        assert run["group"] == f"model.beta={run['config']['model']['beta']:g}"


def _assert_same_rows(whole, own, expected):
    found = whole[(whole["group"] == own["group"]) & (whole["seed"] == own["seed"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(found[expected.columns], expected, check_dtype=False)


def test_seed_fold_places_and_equal_numbers_make_no_group(tmp_path):
    for seed, beta, overrides in [(1, 1, {"data.root": "here"}), (2, 1.0, {"trainer.accelerator": "gpu"})]:
        config = fake_config(seed, fold=seed, **{"model.beta": beta, "logger": {"_target_": str(seed)}, **overrides})
        write_fake_run(tmp_path / "s" / str(seed), config, n_images=4, n_epochs=1)
    assert [group.name for group in read_sweep(tmp_path / "s").groups] == [""]


def test_a_group_names_every_varying_key_down_to_a_methods_options(tmp_path):
    for seed, (n_steps, encoder) in enumerate([(25, "a"), (50, "b")]):
        config = fake_config(seed, **{"attribution.methods.integrated_gradients.n_steps": n_steps})
        config["model"]["encoder"] = encoder
        write_fake_run(tmp_path / "s" / str(seed), config, n_images=4, n_epochs=1)
    assert [group.name for group in read_sweep(tmp_path / "s").groups] == [
        "model.encoder=a, attribution.methods.integrated_gradients.n_steps=25",
        "model.encoder=b, attribution.methods.integrated_gradients.n_steps=50",
    ]


def test_a_method_that_other_runs_lack_is_absent_there(tmp_path):
    write_fake_run(tmp_path / "s" / "three", fake_config(1), n_images=4, n_epochs=1)
    fewer = fake_config(1)
    del fewer["attribution"]["methods"]["saliency"]
    write_fake_run(tmp_path / "s" / "two", fewer, n_images=4, n_epochs=1)
    sweep = read_sweep(tmp_path / "s")
    assert "attribution.methods.saliency._target_=absent" in [group.name for group in sweep.groups]
    assert sweep.scores.groupby("group")["method"].nunique().tolist() == [2, 3]


def test_no_fold_other_columns_and_no_ranked_image_read_together(tmp_path):
    folder = write_fake_sweep(tmp_path / "s", [1, 2, 3], 4)
    first, second, third = sorted(folder.iterdir())
    scores = pd.read_parquet(first / "scores.parquet")
    scores.assign(fold=pd.array([pd.NA] * len(scores), "Int64")).to_parquet(first / "scores.parquet")
    pd.read_parquet(second / "scores.parquet").drop(columns="completeness_error").to_parquet(second / "scores.parquet")
    scores.head(0)[["seed", "fold", "split", "sample", "label", "predicted"]].to_parquet(third / "scores.parquet")
    found = read_sweep(folder).scores
    assert found["seed"].unique().tolist() == [1, 2]
    assert found.loc[found["seed"] == 1, "fold"].isna().all()
    assert found.loc[found["seed"] == 2, "completeness_error"].isna().all()
    assert found.loc[found["seed"] == 1, "completeness_error"].notna().sum() == len(scores) / 3


def test_a_sweep_without_any_ranked_image_has_empty_scores(tmp_path):
    folder = write_fake_sweep(tmp_path / "s", [1], 4)
    path = next(folder.iterdir()) / "scores.parquet"
    pd.read_parquet(path).head(0)[["seed", "split"]].to_parquet(path)
    assert len(read_sweep(folder).scores) == 0


def test_class_names_that_look_like_missing_values_stay_texts(tmp_path):
    folder = write_fake_sweep(tmp_path / "s", [1], 4)
    path = next(folder.iterdir()) / "excluded.csv"
    pd.read_csv(path).assign(label="None", predicted="NA").to_csv(path, index=False)
    excluded = read_sweep(folder).excluded
    assert set(excluded["label"]) == {"None"}
    assert set(excluded["predicted"]) == {"NA"}


def test_incomplete_runs_are_told_and_other_folders_ignored(tmp_path, caplog):
    folder = write_fake_sweep(tmp_path / "s", [1, 2], 4)
    write_fake_run(folder / "seed=3", fake_config(3), n_images=4, n_epochs=1, complete=False)
    (folder / "tables").mkdir()
    with caplog.at_level(logging.WARNING):
        sweep = read_sweep(folder)
    assert list(sweep.runs["seed"]) == [1, 2]
    [record] = caplog.records
    assert "1 of 3" in record.getMessage()
    assert "seed=3" in record.getMessage()
    assert "\n" not in record.getMessage()


def test_a_missing_sweep_lists_those_that_exist(tmp_path):
    write_fake_sweep(tmp_path / "one", [1], 4)
    write_fake_sweep(tmp_path / "two", [1], 4)
    with pytest.raises(UserError, match=r"three: no such sweep; .* holds one, two"):
        read_sweep(tmp_path / "three")


def test_no_complete_run_is_an_error(tmp_path):
    write_fake_run(tmp_path / "s" / "seed=1", fake_config(1), n_images=4, n_epochs=1, complete=False)
    with pytest.raises(UserError, match="1 run, none complete"):
        read_sweep(tmp_path / "s")


def test_the_same_run_twice_is_an_error(tmp_path):
    folder = write_fake_sweep(tmp_path / "s", [1], 4)
    run = next(folder.iterdir())
    shutil.copytree(run, folder / "copy")
    with pytest.raises(UserError, match="count every image twice"):
        read_sweep(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("run.json", '{"status": "complete", "format": 99}', "not of format 2"),
        ("run.json", "{", "not valid JSON"),
        ("config.yaml", "- a list", "not a run's configuration"),
        ("metrics.csv", "epoch,loss\n0,1\n", "no column train_loss"),
        ("metrics.csv", "", "not a table"),
        ("excluded.csv", None, "not found, although run.json"),
        ("scores.parquet", None, "not found, although run.json"),
        ("scores.parquet", "no parquet at all", "not a Parquet file"),
    ],
)
def test_a_damaged_run_is_named_in_one_line(tmp_path, name, content, message):
    folder = write_fake_sweep(tmp_path / "s", [1], 4)
    path = next(folder.iterdir()) / name
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        read_sweep(folder)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_score_column_names_file_and_column(tmp_path):
    folder = write_fake_sweep(tmp_path / "s", [1, 2], 4)
    path = sorted(folder.iterdir())[1] / "scores.parquet"
    pd.read_parquet(path).drop(columns="topk_iou").to_parquet(path)
    with pytest.raises(UserError, match=r"seed=2/scores.parquet: no column topk_iou"):
        read_sweep(folder)


def test_numbers_survive_exactly(tmp_path):
    folder = write_fake_sweep(tmp_path / "s", [1], 4)
    path = next(folder.iterdir()) / "scores.parquet"
    scores = pd.read_parquet(path)
    np.testing.assert_array_equal(read_sweep(folder).scores["topk_overlap"], scores["topk_overlap"])


def change_record(run, **entries):
    path = run / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def test_runs_on_other_data_are_not_pooled_but_folds_are(tmp_path):
    folder = write_fake_sweep(tmp_path / "s", [1, 2], 4, folds=(0, 1))
    assert len(read_sweep(folder).groups) == 1
    changed = folder / "data.fold=0,seed=2"
    change_record(changed, data="f" * 64)
    with pytest.raises(UserError, match=r"seed=1 and .*seed=2: their images, masks or split differ") as caught:
        read_sweep(folder)
    assert "name=..." in str(caught.value)


def test_weights_count_by_content(tmp_path):
    for seed, (path, content) in enumerate([("a/w.pt", "1" * 64), ("b/w.pt", "2" * 64), ("c/other.pt", "1" * 64)]):
        config = fake_config(seed, **{"model.encoder_weights": path})
        change_record(write_fake_run(tmp_path / "s" / str(seed), config, n_images=4, n_epochs=1), weights=content)
    sweep = read_sweep(tmp_path / "s")
    assert [group.name for group in sweep.groups] == [
        "model.encoder_weights=w.pt (11111111)",
        "model.encoder_weights=w.pt (22222222)",
    ]
    assert len(sweep.groups[0].runs) == 2


def test_pooled_versions_are_remarked(tmp_path):
    folder = write_fake_sweep(tmp_path / "s", [1, 2], 4)
    change_record(folder / "data.fold=0,seed=2", versions={"torch": "2.8.0", "xairank": "0.1.0"})
    [group] = read_sweep(folder).groups
    assert group.remarks == ["Runs with different versions of torch are pooled: 2.8.0 and 2.9.0."]


@pytest.mark.parametrize(("key", "what"), [("images", "images or masks"), ("encoder", "pretrained weights")])
def test_what_all_folds_share_must_be_the_same_in_all_of_them(tmp_path, key, what):
    folder = write_fake_sweep(tmp_path / "folds", [1], 8, folds=[0, 1])
    records = sorted(folder.glob("*/run.json"))
    for path, content in zip(records, ("a" * 64, "a" * 64), strict=True):
        path.write_text(json.dumps({**json.loads(path.read_text()), key: content}))
    read_sweep(folder)
    records[1].write_text(json.dumps({**json.loads(records[1].read_text()), key: "b" * 64}))
    with pytest.raises(UserError, match=rf"their {what} differ \(aaaaaaaa and bbbbbbbb in run.json\)"):
        read_sweep(folder)


def test_weights_from_a_file_take_the_place_of_pretrained_ones(tmp_path):
    for seed, pretrained in ((1, True), (2, False)):
        config = fake_config(seed, **{"model.encoder_weights": "w.safetensors", "model.pretrained": pretrained})
        write_fake_run(tmp_path / "s" / str(seed), config, n_images=4, n_epochs=1)
    assert [group.name for group in read_sweep(tmp_path / "s").groups] == [""]
