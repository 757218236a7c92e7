"""Images whose defect the model does not use are left out of what is ranked, of all methods alike."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.runs_fixture import write_fake_sweep
from xairank.errors import UserError
from xairank.evaluation import Reliance, describe_measures
from xairank.runs.sweep import read_sweep
from xairank.schema import to_record
from xairank.tables.collection import make_tables


def add_reliance(folder, seed=0):
    """Gives every image of every run a reliance, the same for its methods; negative for about a third."""
    generator = np.random.default_rng(seed)
    for path in sorted(folder.glob("*/scores.parquet")):
        scores = pd.read_parquet(path)
        samples = scores["sample"].unique()
        least = dict(zip(samples, generator.normal(0.5, 1, len(samples)), strict=True))
        scores["reliance_least"] = scores["sample"].map(least)
        scores.assign(reliance=scores["reliance_least"] + 0.1).to_parquet(path, index=False)
        record = json.loads((path.parent / "run.json").read_text())
        record["measures"] = to_record(describe_measures({"reliance": Reliance()}))
        (path.parent / "run.json").write_text(json.dumps(record))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("multirun") / "both"
    variants = ({"ranking.relied_on": False}, {"ranking.relied_on": True})
    return add_reliance(write_fake_sweep(place, seeds=(1, 2), n_images=8, variants=variants))


def test_rows_are_dropped_for_all_methods_alike_and_counted_as_excluded(folder):
    sweep = read_sweep(folder)
    everything, relied = sweep.groups
    assert (everything.name, relied.name) == ("ranking.relied_on=false", "ranking.relied_on=true")
    assert not (everything.excluded["reason"] == "not_relied_on").any()
    assert (everything.scores["reliance_least"] <= 0).any()
    rows = sweep.scores[sweep.scores["group"] == relied.name]
    expected = rows[rows["reliance_least"] > 0]
    pd.testing.assert_frame_equal(relied.scores, expected, check_exact=True)
    keys = ["seed", "fold", "split", "sample"]
    out = rows.loc[~(rows["reliance_least"] > 0), keys].drop_duplicates()
    left_out = relied.excluded[relied.excluded["reason"] == "not_relied_on"]
    assert left_out[keys].to_numpy().tolist() == out.to_numpy().tolist()
    assert len(left_out) * len(relied.methods) + len(relied.scores) == len(rows)
    assert len(relied.all_images) == len(everything.all_images)


def test_tables_say_how_many_are_left(folder):
    relied = read_sweep(folder).groups[1]
    pairs = relied.scores.groupby(["seed", "split"])["sample"].nunique().sum()
    out = (relied.excluded["reason"] == "not_relied_on").sum()
    sentence = (
        f"Only images whose defect the model uses are ranked (ranking.relied_on): {pairs} of {pairs + out} pairs of an "
        "image and a run."
    )
    assert sentence in relied.remarks
    tables = {table.name: table for table in make_tables(read_sweep(folder))[0]}
    for name in ("ranking", "statistics", "win_rate_test"):
        assert any(sentence in note for note in tables[name].notes), name
    assert any("not relied on" in row[-1] for block in tables["win_rate_test"].blocks for row in block)


def test_without_the_column_it_is_refused(tmp_path):
    folder = write_fake_sweep(tmp_path / "old", seeds=(1,), n_images=4, **{"ranking.relied_on": True})
    with pytest.raises(
        UserError, match=r"seed=1: ranking.relied_on=true, but its scores have no column reliance_least"
    ):
        read_sweep(folder)
    assert read_sweep(add_reliance(folder)).groups[0].excluded["reason"].eq("not_relied_on").any()
