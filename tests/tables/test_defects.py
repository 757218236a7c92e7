import numpy as np
import pandas as pd
import pytest

from tests.runs_fixture import write_fake_sweep
from xairank.ranking.defects import summarize_defects, who_leads_where
from xairank.runs.sweep import read_sweep
from xairank.tables.collection import make_tables
from xairank.tables.defects import by_defect

METHODS = ("gradcam", "saliency", "integrated_gradients")


def turn(folder):
    """Makes Grad-CAM fail on thin defects, in all runs."""
    for path in folder.glob("*/scores.parquet"):
        scores = pd.read_parquet(path)
        fails = (scores["method"] == "gradcam") & (scores["thinness"] > 0.6)
        scores.loc[fails, "topk_overlap"] *= 0.1
        scores.to_parquet(path, index=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = write_fake_sweep(tmp_path_factory.mktemp("multirun") / "paper", range(42, 47), n_images=32)
    turn(folder)
    sweep = read_sweep(folder)
    tables, words = make_tables(sweep)
    assert tables[-1].name == "by_defect"
    return sweep, tables[-1], words


def test_a_row_a_part_and_a_column_a_method(made):
    sweep, table, _ = made
    labels = ["Grad-CAM", "Saliency", "Integrated gradients"]
    assert table.header == ["Split", "Property", "Part", "Images", *labels, "Lead", "Verdict"]
    scores = sweep.groups[0].of_split("test")
    thinness = scores.groupby("sample")["thinness"].first()
    thirds = pd.qcut(thinness, 3, labels=["compact", "medium", "thin"])
    rows = [row for row in table.blocks[0] if row[:2] == ["Test", "Thinness"]]
    for row, (part, samples) in zip(rows, thirds.groupby(thirds, observed=True), strict=False):
        limits = thinness[samples.index].agg(["min", "max"])
        assert row[2] == f"{part} ({limits['min']:.2f} to {limits['max']:.2f})"
        assert row[3] == str(len(samples))
        own = scores[scores["sample"].isin(samples.index)]
        means = own.groupby(["method", "seed"])["topk_overlap"].mean().groupby("method").mean()
        for method, cell in zip(METHODS, row[4:7], strict=True):
            shown = f"{means[method]:.3f}"
            assert cell.startswith(f"**{shown}** [" if method == means.idxmax() else f"{shown} [")
    assert rows[3][2] == "Spearman"
    numbers = table.data.query("split == 'test' and property == 'thinness'")
    assert rows[3][4:7] == [f"{value:+.2f}" for value in numbers.drop_duplicates("method")["spearman"]]
    assert numbers["spearman"].iloc[0] < -0.5


def test_classes_have_neither_a_range_nor_a_correlation(made):
    rows = [row for row in made[1].blocks[0] if row[:2] == ["Test", "Class"]]
    assert [row[2] for row in rows] == ["crack", "cut", "hole", "print"]


def test_another_leader_in_a_part_is_a_conclusion(made):
    _, table, words = made
    (sentence,) = [line for line in words if line.startswith("Test: On compact defects Grad-CAM leads (")]
    assert sentence in table.notes
    assert "on thin defects Integrated gradients " in sentence


def test_many_methods_stand_without_intervals_and_the_numbers_have_them(tmp_path):
    methods = {f"method_{number}": {"_target_": "xairank.attribution.GradCAM"} for number in range(6)}
    folder = write_fake_sweep(tmp_path / "many", [1, 2], **{"attribution.methods": methods})
    table, _ = by_defect(read_sweep(folder).groups)
    assert len(table.header) == 4 + 6 + 2
    assert all("[" not in cell for row in table.blocks[0] for cell in row[4:10])
    assert table.data[["score_low", "score_high"]].notna().all(axis=None)
    assert "; by_defect.csv has all." in table.notes[-1]


def test_runs_of_earlier_versions_have_what_is_known_of_them(tmp_path):
    folder = write_fake_sweep(tmp_path / "old", [1, 2])
    for path in folder.glob("*/scores.parquet"):
        pd.read_parquet(path).drop(columns=["components", "thinness"]).to_parquet(path, index=False)
    table, _ = by_defect(read_sweep(folder).groups)
    assert table.data["property"].unique().tolist() == ["size", "confidence", "class"]
    one = next(folder.glob("*/scores.parquet"))
    pd.read_parquet(one).assign(components=1, thinness=np.nan).to_parquet(one, index=False)
    assert "thinness" not in set(by_defect(read_sweep(folder).groups)[0].data["property"])


def test_groups_are_blocks_with_their_own_rows(tmp_path):
    variants = ({"model.beta": 0.0}, {"model.beta": 1.0})
    sweep = read_sweep(write_fake_sweep(tmp_path / "two", [1, 2], variants=variants))
    table, sentences = by_defect(sweep.groups)
    assert len(table.blocks) == 2
    assert table.data["group"].nunique() == 2
    assert [str(sentence) for sentence in sentences] == [
        f"{group.name}, {split}: {line}"
        for group in sweep.groups
        for split, name in (("training", "train"), ("test", "test"))
        for line in who_leads_where(_summary(group, name), group.labels)
    ]


def _summary(group, split):
    return summarize_defects(group.of_split(split), group.metric, group.metric_facts)


def test_a_sweep_without_a_ranked_image_has_no_such_table(tmp_path):
    folder = write_fake_sweep(tmp_path / "none", [1])
    for path in folder.glob("*/scores.parquet"):
        pd.read_parquet(path).head(0).to_parquet(path, index=False)
    assert by_defect(read_sweep(folder).groups) == (None, [])
