"""One truth: a training, its checkpoint ranked again, and its maps as files give the same numbers."""

import csv
import importlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import write_category
from tests.interface.commands import only_run, rank_command
from tests.training import QUICK
from xairank import Ranking, train
from xairank.runs.maps import read_maps
from xairank.runs.sweep import read_sweep
from xairank.tables.collection import make_tables

# Those that read the order of the pixels alone, which maps in files keep to the last bit.
METRICS = ["topk_overlap", "topk_iou", "pointing_game", "average_precision", "roc_auc"]
DESCRIPTION = ["seed", "fold", "split", "sample", "case", "label", "predicted"]
DATA = [option for option in QUICK if option.startswith("data.")]
FOLD, SEED = 1, 4


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A working folder with a tiny category and one finished run of training."""
    folder = tmp_path_factory.mktemp("same")
    write_category(folder / "data" / "nuts", good=20, defects=10)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["train", *QUICK, f"seed={SEED}", f"data.fold={FOLD}", "trainer.max_epochs=5"])
        train.main()
        yield only_run("test")


@pytest.fixture(scope="module")
def from_checkpoint(trained):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["rank", "model=run", f'model.path="{trained}"', "name=again", "device=cpu"])
        importlib.import_module("xairank.rank").main()
    return only_run("again")


@pytest.fixture(scope="module")
def from_maps(trained):
    write_files(trained, Path("maps"), Path("predictions.csv"))
    with pytest.MonkeyPatch.context() as patch:
        files = ["maps=maps", "predictions=predictions.csv", f"data.fold={FOLD}", f"seed={SEED}"]
        patch.setattr(sys, "argv", ["rank", *DATA, *files, "name=maps"])
        importlib.import_module("xairank.rank").main()
    return only_run("maps")


def write_files(run, maps, predictions):
    """The maps and predictions of a run as another tool would write them."""
    found = read_maps(run / "maps.npz")
    for method, values in zip(found.methods, found.maps.swapaxes(0, 1), strict=True):
        for sample, one in zip(found.samples, values, strict=True):
            path = maps / method / f"{sample}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, one)
    scores = pd.read_parquet(run / "scores.parquet").drop_duplicates("sample")
    with predictions.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "predicted", "probability"])
        writer.writerows(scores[["sample", "predicted", "probability"]].itertuples(index=False))
        for row in pd.read_csv(run / "excluded.csv").itertuples():
            writer.writerow([row.sample, row.predicted, ""])


def scores_of(run):
    """What is known of each ranked image and method, and its scores; diagnostics of single methods aside.

    Nor the model's own mask, which maps alone have none of.
    """
    columns = [*DESCRIPTION, "k", "n_pixels", "method", *METRICS, *(f"{METRICS[0]}_chance",)]
    scores = pd.read_parquet(run / "scores.parquet")[columns]
    scores = scores[scores["method"] != "own_mask"]
    return scores.sort_values(["split", "sample", "method"], ignore_index=True)


def excluded_of(run):
    return pd.read_csv(run / "excluded.csv").sort_values(["split", "sample"], ignore_index=True)


def ranking_table(run):
    (table,) = (table for table in make_tables(read_sweep(run.parent))[0] if table.name == "ranking")
    data = table.data[table.data["method"] != "own_mask"]
    return data.sort_values(["split", "method"], ignore_index=True)


def test_the_training_ranks_something_and_excludes_something(trained):
    scores, excluded = scores_of(trained), excluded_of(trained)
    assert scores.groupby("split")["sample"].nunique().to_dict().keys() == {"train", "test"}
    assert scores["topk_overlap"].nunique() > 10
    assert {"good", "misclassified"} <= set(excluded["reason"])
    assert set(scores["fold"]) == {FOLD}
    assert set(scores["seed"]) == {SEED}


@pytest.mark.parametrize("way", ["from_checkpoint", "from_maps"])
def test_scores_are_equal_to_the_last_bit(trained, way, request):
    pd.testing.assert_frame_equal(scores_of(request.getfixturevalue(way)), scores_of(trained), check_exact=True)


@pytest.mark.parametrize("way", ["from_checkpoint", "from_maps"])
def test_the_same_images_are_excluded_for_the_same_reasons(trained, way, request):
    pd.testing.assert_frame_equal(excluded_of(request.getfixturevalue(way)), excluded_of(trained))


@pytest.mark.parametrize("way", ["from_checkpoint", "from_maps"])
def test_the_rankings_are_equal(trained, way, request):
    run = request.getfixturevalue(way)
    expected, found = ranking_table(trained), ranking_table(run)
    pd.testing.assert_frame_equal(found, expected)
    pd.testing.assert_frame_equal(Ranking(run.parent).table, Ranking(trained.parent).table)
    pd.testing.assert_frame_equal(Ranking(run.parent).statistics, Ranking(trained.parent).statistics)


def test_a_ranked_checkpoint_has_the_maps_of_its_training(trained, from_checkpoint):
    assert (from_checkpoint / "maps.npz").read_bytes() == (trained / "maps.npz").read_bytes()
    expected = pd.read_parquet(trained / "scores.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(from_checkpoint / "scores.parquet"), expected, check_exact=True)


def test_other_images_of_one_s_own_are_all_tested(trained, monkeypatch, capsys):
    """With images of a table, those of training do not count: the split is that of the table, here none."""
    table = Path("own.csv")
    with table.open("w") as file:
        print("image,mask,label", file=file)
        for path in sorted(Path("data/nuts/test").glob("*/*.png")):
            label = path.parent.name
            mask = "" if label == "good" else f"data/nuts/ground_truth/{label}/{path.stem}_mask.png"
            print(path, mask, label, sep=",", file=file)
    data = ["data=folder", "data.table=own.csv", "data.category=own"]
    status, _, err = rank_command(
        monkeypatch, capsys, "model=run", f'model.path="{trained}"', *data, "name=own", "device=cpu"
    )
    assert status == 0, err
    found, expected = scores_of(only_run("own")), scores_of(trained)
    assert set(found["split"]) == {"test"}
    assert found["fold"].isna().all()
    # Of the same pixels, decoded the same way, come the same scores.
    found["sample"] = [str(Path(name).relative_to("data/nuts/test").with_suffix("")) for name in found["sample"]]
    both = expected.merge(found, on=["sample", "method"], suffixes=("", "_own"))
    assert len(both) == len(expected) == len(found)
    assert both["topk_overlap"].tolist() == pytest.approx(both["topk_overlap_own"].tolist(), abs=0.02)
