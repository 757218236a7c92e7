"""Explaining with the network of a run, and ranking what explaining leaves."""

import importlib

import numpy as np
import pandas as pd
import pytest

from tests.conftest import write_category
from tests.explaining import call, manifest_of
from tests.training import QUICK
from xairank import train


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run of training, and the explanations of all images of its data by its network."""
    folder = tmp_path_factory.mktemp("trained")
    write_category(folder / "data" / "nuts", good=10, defects=6)
    status, _, err = call(folder, *QUICK, "trainer.max_epochs=4", "data.mask_threshold=100", module=train)
    assert status == 0, err
    (run,) = (path for path in (folder / "multirun" / "test").iterdir() if path.is_dir())
    status, _, err = call(folder, "model=run", f"model.path='{run}'", "images=data/nuts", "device=cpu")
    assert status == 0, err
    return folder, run, manifest_of(folder)


def test_a_run_brings_its_view_its_methods_and_its_predictions(trained):
    _, run, manifest = trained
    explained = manifest["explained"]
    assert (explained["image_size"], explained["crop"], explained["mask_threshold"]) == (48, "none", 100)
    assert manifest["methods"]["integrated_gradients"]["options"]["n_steps"] == 4
    scores = pd.read_parquet(run / "scores.parquet")
    rows = pd.concat([scores[["sample", "predicted"]].drop_duplicates(), pd.read_csv(run / "excluded.csv")])
    assert {row["image"]: row["predicted"] for row in manifest["images"]} == dict(
        zip(rows["sample"], rows["predicted"], strict=True)
    )
    overlaps = {(row["image"], name): one for row in manifest["images"] for name, one in row["methods"].items()}
    assert len(scores)
    assert {name for _, name in overlaps} == {"gradcam", "saliency", "integrated_gradients"}  # and no control
    for row in scores[scores["method"].isin([name for _, name in overlaps])].to_dict("records"):
        record = overlaps[row["sample"], row["method"]]
        assert record["topk_overlap"] == pytest.approx(row["topk_overlap"], abs=0.02)  # of other batches
        if row["method"] == "integrated_gradients":
            assert record["n_steps"] == row["n_steps"] == 4


def test_overrides_win_over_the_run(trained):
    folder, run, _ = trained
    status, _, err = call(
        folder,
        # The folder's name holds equals signs and commas, and need not be quoted.
        *("model=run", f"model.path={run}", "images=data/nuts/test/crack/000.png", "output=other", "device=cpu"),
        *("image_size=64", "crop=center", "attribution.methods.integrated_gradients.n_steps=3"),
        "~attribution.methods.gradcam",
    )
    assert status == 0, err
    manifest = manifest_of(folder, "other")
    assert (manifest["explained"]["image_size"], manifest["explained"]["crop"]) == (64, "center")
    assert manifest["methods"]["integrated_gradients"]["options"]["n_steps"] == 3
    assert list(manifest["methods"]) == ["saliency", "integrated_gradients"]
    with np.load(folder / "other" / "npz" / "saliency" / "000.npz") as arrays:
        assert arrays["attribution"].shape == (64, 64)


def test_ranking_takes_the_maps_and_predictions_as_they_are(trained):
    folder, _, manifest = trained
    status, _, err = call(
        folder,
        *("maps=explanations/npz", "predictions=explanations/predictions.csv", "data.root=data", "data.category=nuts"),
        *("data.image_size=48", "data.mask_threshold=100", "name=ranked"),
        module=importlib.import_module("xairank.rank"),  # the name in xairank is the function
    )
    assert status == 0, err
    (table,) = folder.glob("multirun/ranked/*/scores.parquet")
    scores = pd.read_parquet(table)
    records = {(row["image"], name): one for row in manifest["images"] for name, one in row["methods"].items()}
    right = [
        row["image"]
        for row in manifest["images"]
        if row["k"] and row["image"].removeprefix("train/").partition("/")[0] == row["predicted"]
    ]
    assert sorted(scores["sample"].unique()) == sorted(right) != []
    for row in scores[scores["method"].isin([name for _, name in records])].to_dict("records"):
        assert records[row["sample"], row["method"]]["topk_overlap"] == row["topk_overlap"]
