"""The table of agreement, of simulated runs and end to end with a metric that is better where it is lower."""

import json

import pandas as pd
import pytest
import torch
from scipy.stats import kendalltau

import xairank
from tests.runs_fixture import write_fake_sweep
from xairank.runs.sweep import read_sweep
from xairank.schema import metric_facts
from xairank.tables.agreement import agreement_table
from xairank.tables.collection import make_tables


@pytest.fixture(scope="module")
def ranking():
    """Three sets of maps of twelve images: on the defect, beside it, and noise; the distance decides."""
    generator = torch.Generator().manual_seed(0)
    masks = torch.zeros(12, 32, 32, dtype=torch.bool)
    for place, mask in enumerate(masks):
        mask[4 + place : 10 + place, 8:14] = True
    noise = torch.rand(12, 32, 32, generator=generator)
    maps = {"noise": noise, "near": noise + 5 * masks.roll(4, dims=2), "best": noise + 5 * masks}
    return xairank.rank_maps(maps, masks, metric="mass_distance")


def test_a_metric_that_is_better_where_it_is_lower_decides_from_end_to_end(ranking):
    table = ranking.table
    assert table["method"].tolist() == ["best", "near", "noise"]
    assert table["score"].is_monotonic_increasing
    assert table["rank"].tolist() == [1, 2, 3]
    assert table["win_rate"].tolist() == [1, 0, 0]
    assert table["against_chance"].tolist()[:2] == ["above", "above"]
    assert (table["chance_corrected"].iloc[:2] > 0).all()
    assert "Best ranks above Near" in ranking.conclusion
    assert "Mass Distance" in ranking.to_markdown()
    assert (ranking.statistics["rank_biserial"] > 0).all()
    assert "agreement_test" in ranking.figures


def test_a_row_a_metric_beside_the_one_that_decides(ranking):
    table = agreement_table(ranking.sweep.groups)
    rows = [row[1:] for block in table.blocks for row in block]
    facts = metric_facts(ranking.sweep.runs["info"].iloc[0])
    assert rows[0] == ["Mass Distance (decides)", "Best", "-", "-", "-", "12"]
    assert [row[0] for row in rows[1:]] == [some.label for name, some in facts.items() if name != "mass_distance"]
    (group,) = ranking.sweep.groups
    scores = group.scores.assign(mass_distance=-group.scores["mass_distance"])
    for row, metric in zip(rows[1:], facts, strict=False):
        taus = pd.Series(
            kendalltau(image["mass_distance"], image[metric]).statistic for _, image in scores.groupby("sample")
        )
        assert row[3].split()[0] == (f"{taus.mean():.3f}" if taus.notna().any() else "-")
        assert row[4] == f"{100 * taus.isna().mean():.0f} %"
        assert row[1:3] == ["Best", "yes"]
    assert len(table.data) == 36
    assert set(table.data["split"]) == {"test"}


def test_splits_and_groups_are_blocks_of_one_table(tmp_path):
    folder = write_fake_sweep(tmp_path / "s", [1, 2], 8, variants=[{"model.beta": 0}, {"model.beta": 1}])
    table = {table.name: table for table in make_tables(read_sweep(folder))[0]}["agreement"]
    assert [[row[:2] for row in block] for block in table.blocks] == [
        [
            [f"**model.beta={beta}**", ""],
            ["Training", "Top-K Overlap (decides)"],
            ["Training", "Top-K IoU"],
            ["Test", "Top-K Overlap (decides)"],
            ["Test", "Top-K IoU"],
        ]
        for beta in (0, 1)
    ]
    assert table.data["tau"].tolist() == pytest.approx([1] * 4)  # the one is an increasing function of the other


def test_a_single_metric_leaves_a_line_that_says_why(tmp_path):
    folder = write_fake_sweep(tmp_path / "s", [1, 2], 8)
    for path in folder.glob("*/run.json"):
        info = json.loads(path.read_text())
        del info["metrics"]["topk_iou"]
        path.write_text(json.dumps(info))
    table = agreement_table(read_sweep(folder).groups)
    assert table.blocks == [[]]
    assert table.notes == ["Nothing to compare: there is only one metric, Top-K Overlap."]
    table.write(tmp_path)
    assert pd.read_csv(tmp_path / "agreement.csv").empty
    assert "only one metric" in (tmp_path / "agreement.md").read_text()


def test_no_ranked_image_is_no_table_and_no_error(tmp_path):
    folder = write_fake_sweep(tmp_path / "s", [1], 4)
    path = next(folder.iterdir()) / "scores.parquet"
    pd.read_parquet(path).head(0).to_parquet(path)
    assert agreement_table(read_sweep(folder).groups).data.empty
