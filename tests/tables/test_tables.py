"""The numbers of the tables, beside the runs they come from."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.runs_fixture import fake_config, write_fake_run, write_fake_sweep
from xairank.runs.sweep import read_sweep
from xairank.tables.collection import make_tables
from xairank.tables.published import published_metrics


def cells(table, row_name, after=None):
    """The row of that name, the first one after the row ``after``."""
    rows = [row for block in table.blocks for row in block]
    start = 0 if after is None else [row[0] for row in rows].index(after)
    return dict(zip(table.header, next(row for row in rows[start:] if row[0] == row_name), strict=True))


def test_table_1_comes_from_the_configuration_that_ran(tmp_path):
    folder = write_fake_sweep(tmp_path / "s", [1, 2], 4, **{"model.lr": 0.01, "data.num_workers": 0})
    table = make_tables(read_sweep(folder))[0][0]
    assert cells(table, "Learning rate")["Value"] == "0.01"
    assert cells(table, "Learning rate")["Published"] == "0.001"
    assert cells(table, "Learning rate")["Difference"] == "+0.009"
    assert cells(table, "Number of epochs")["Difference"] == "-27"
    assert cells(table, "Encoder")["Difference"] == "none"
    assert cells(table, "Mask loss")["Difference"] == "other"


def test_table_2_is_the_last_epoch_over_seeds(sweep, tables):
    last = sweep.metrics[sweep.metrics["epoch"] == 29]["test_balanced_accuracy"]
    row = cells(tables["performance"], "Test")
    assert row["Balanced accuracy"] == f"{last.mean():.4f} ± {np.std(last):.4f}"
    assert row["Seeds"] == "6"
    assert row["Images"] == "32"
    assert cells(tables["performance"], "published", after="Test")["Balanced accuracy"] == "0.9443 ± 0.0467"
    difference = cells(tables["performance"], "difference", after="Test")
    published = published_metrics().query("epoch == 29")["test_balanced_accuracy"].mean()
    assert difference["Balanced accuracy"] == f"{last.mean() - published:+.4f}"
    assert difference["Mask loss"] == "other mask loss"


def test_runs_of_several_lengths_each_give_their_last_epoch(tmp_path):
    for seed, n_epochs in ((1, 2), (2, 5)):
        write_fake_run(tmp_path / "s" / str(seed), fake_config(seed), n_images=4, n_epochs=n_epochs)
    found = read_sweep(tmp_path / "s")
    last = found.metrics.groupby("seed")["test_loss"].last()
    row = cells(make_tables(found)[0][1], "Test")
    assert row["Total loss"].startswith(f"{last.mean():.4f}")


def test_tables_3_and_4_by_brute_force(sweep, tables):
    scores = sweep.scores[(sweep.scores["split"] == "test") & (sweep.scores["label"] == "cut")]
    wide = scores.pivot(index=["seed", "sample"], columns="method", values="topk_overlap")
    wins = wide.eq(wide.max(axis=1), axis=0)
    rates = wins.div(wins.sum(axis=1), axis=0).groupby("seed").mean()
    row = cells(tables["win_rate_test"], "Cut")
    assert row["Grad-CAM"].replace("*", "") == f"{rates['gradcam'].mean():.4f} ± {rates['gradcam'].std(ddof=0):.4f}"
    assert row["Saliency"] == f"{rates['saliency'].mean():.4f} ± {rates['saliency'].std(ddof=0):.4f}"
    assert row["Images"] == str(wide.reset_index()["sample"].nunique())
    assert row["Ranked"] == f"{len(wide)} of 24"
    assert row["Excluded"] == f"{24 - len(wide)} misclassified"
    assert cells(tables["win_rate_test"], "published", after="Cut")["Grad-CAM"] == "0.8250 ± 0.1601"
    assert (
        cells(tables["win_rate_test"], "difference", after="Cut")["Grad-CAM"]
        == f"{rates['gradcam'].mean() - 0.825:+.4f}"
    )
    assert "96 good" in cells(tables["win_rate_test"], "Overall")["Excluded"]


def test_the_best_is_bold_and_nothing_else(tables):
    for block in tables["win_rate_train"].blocks:
        for row in block:
            values = [float(cell.strip("*+-").split("*")[0].split(" ")[0]) for cell in row[1:4]]
            bold = [cell.startswith("**") for cell in row[1:4]]
            assert bold == [row[0] not in ("published", "difference") and value == max(values) for value in values]


def test_the_sweeps_tie_rule_is_honoured(tmp_path):
    rates = {}
    for ties in ("shared", "first"):
        folder = write_fake_sweep(tmp_path / ties, [1], 8, **{"ranking.ties": ties})
        path = next(folder.iterdir()) / "scores.parquet"
        pd.read_parquet(path).assign(topk_overlap=0.0).to_parquet(path)
        tables = {table.name: table for table in make_tables(read_sweep(folder))[0]}
        rates[ties] = tables["win_rate_test"].data.query("label == 'overall'")["mean"].tolist()
        assert tables["ranking"].data.query("split == 'test'")["win_rate"].tolist() == pytest.approx(rates[ties])
    assert rates == {"shared": pytest.approx([1 / 3] * 3), "first": [1, 0, 0]}


def test_a_class_that_no_run_ranked_is_shown_all_the_same(tmp_path):
    folder = write_fake_sweep(tmp_path / "s", [1], 8)
    run = next(folder.iterdir())
    scores, excluded = pd.read_parquet(run / "scores.parquet"), pd.read_csv(run / "excluded.csv")
    holes = scores[scores["label"] == "hole"].drop_duplicates(["split", "sample"])
    scores[scores["label"] != "hole"].to_parquet(run / "scores.parquet")
    columns = list(excluded.columns)
    pd.concat([excluded, holes.assign(reason="empty_mask")[columns]]).to_csv(run / "excluded.csv", index=False)
    table = {table.name: table for table in make_tables(read_sweep(folder))[0]}["win_rate_test"]
    row = cells(table, "Hole")
    assert (row["Grad-CAM"], row["Images"], row["Seeds"]) == ("-", "0", "0")
    assert row["Ranked"] == "0 of 2"
    assert "empty mask" in row["Excluded"]


@pytest.mark.parametrize("other", [{"data.category": "tile"}, {"data.synthetic": {"good": 5}}])
def test_other_data_has_nothing_published_beside_it_and_one_note(tmp_path, other):
    folder = write_fake_sweep(tmp_path / "s", [1, 2], 8, n_epochs=30, **other)
    for table in make_tables(read_sweep(folder))[0][:4]:
        rows = [row[0] for block in table.blocks for row in block]
        assert not {"published", "difference"} & {*rows, *map(str.lower, table.header), *table.data.columns}
        assert not [name for name in table.data.columns if "published" in name or "comparable" in name]
        published = [note for note in table.notes if "Published figures exist" in note]
        assert len(published) == (table.name == "performance")  # a single note


def test_a_lower_is_better_metric_ranks_as_its_mirror_image(tmp_path):
    tables = {}
    for name in ("topk_overlap", "distance"):
        folder = write_fake_sweep(tmp_path / name, [1, 2], 8, **{"ranking.metric": name})
        for run in folder.iterdir():
            info = json.loads((run / "run.json").read_text())
            facts = {"label": "Distance", "higher_is_better": False, "low": 0.0, "high": None}
            info["metrics"]["distance"] = facts
            (run / "run.json").write_text(json.dumps(info))
            scores = pd.read_parquet(run / "scores.parquet")
            scores.assign(distance=100 - scores["topk_overlap"]).to_parquet(run / "scores.parquet")
        tables[name] = {table.name: table for table in make_tables(read_sweep(folder))[0]}
    one, other = (tables[name]["ranking"].data for name in ("topk_overlap", "distance"))
    for column in ("rank", "rank_low", "rank_high", "win_rate", "win_rate_low", "win_rate_high"):
        assert other[column].tolist() == pytest.approx(one[column].tolist())
    assert other["score"].tolist() == pytest.approx((100 - one["score"]).tolist())
    assert "Distance" in tables["distance"]["ranking"].header
    assert "Chance-corrected" not in tables["distance"]["ranking"].header
    one, other = (tables[name]["statistics"].data for name in ("topk_overlap", "distance"))
    for column in ("holm_p", "nemenyi_p", "two_way_p", "rank_biserial", "rank_difference"):
        assert other[column].tolist() == pytest.approx(one[column].tolist())
    assert (other["verdict"] == one["verdict"]).all()
    wins = [tables[name]["win_rate_test"].data["mean"].tolist() for name in ("topk_overlap", "distance")]
    assert wins[0] == pytest.approx(wins[1])


def test_several_groups_give_a_block_each(tmp_path):
    folder = write_fake_sweep(tmp_path / "s", [1, 2], 8, variants=[{"model.beta": 0}, {"model.beta": 1}])
    tables, conclusions = make_tables(read_sweep(folder))
    for table in tables:
        assert [block[0][0] for block in table.blocks] == ["**model.beta=0**", "**model.beta=1**"]
        assert set(table.data["group"]) == {"model.beta=0", "model.beta=1"}
    assert len(conclusions) == 4 + 1
    assert conclusions[-1] == "Not looked at: controls, blur, reliance and randomisation."
    assert any(note.startswith("model.beta=0: ") and "beta" in note[14:] for note in tables[1].notes)


def test_folds_count_each_seed_once(tmp_path):
    folder = write_fake_sweep(tmp_path / "s", [1, 2, 3], 8, folds=[0, 1])
    tables = {table.name: table for table in make_tables(read_sweep(folder))[0]}
    assert set(tables["performance"].data["n_seeds"]) == {3}
    assert set(tables["win_rate_test"].data["n_seeds"]) == {3}
    assert any("folds 0 and 1" in note for note in tables["performance"].notes)


def test_fewer_than_six_images_conclude_nothing(tmp_path):
    folder = write_fake_sweep(tmp_path / "s", [1, 2, 3], 4)
    tables, conclusions = make_tables(read_sweep(folder))
    assert conclusions[1] == "Test: 4 images are too few: with fewer than 6, no test can reach p < 0.05."
    data = {table.name: table for table in tables}["statistics"].data
    assert data.loc[data["split"] == "test", ["friedman_p", "holm_p"]].isna().all(axis=None)
