"""A method and a metric of a user's own: one class and one entry each, in a folder of theirs, and nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import write_category

ROOT = Path(__file__).parents[1]
METHOD = '''
from xairank.attribution import AttributionMethod


class Contrast(AttributionMethod):
    """Distance of each pixel from the image's mean, whatever the model says."""

    label = "Local contrast"
    color = "#123456"
    diagnostics = {"spread": "spread of the pixels, in grey values"}

    def attribute(self, forward):
        grey = forward.images.mean(dim=1)
        distance = (grey - grey.mean(dim=(1, 2), keepdim=True)).abs()
        return distance, {"spread": grey.flatten(1).std(dim=1) * 255}
'''
METRIC = '''
from xairank.evaluation import Metric


class Outside(Metric):
    """Share of the map's mass outside the mask: less is better."""

    label = "Mass outside"
    higher_is_better = False

    def __call__(self, maps, masks):
        return (maps * ~masks).flatten(1).sum(dim=1) / maps.flatten(1).sum(dim=1).clamp(min=1e-12)

    def chance(self, masks):
        return 1 - masks.flatten(1).double().mean(dim=1)
'''
METHODS_YAML = """
defaults:
  - gradients
methods:
  contrast:
    _target_: mine.contrast.Contrast
"""
METRICS_YAML = """
defaults:
  - overlap
metrics:
  outside:
    _target_: mine.outside.Outside
"""
# fmt: off
ARGUMENTS = [
    "--config-dir=conf", "attribution=mine", "evaluation=mine", "ranking.metric=outside", "name=mine", "data.root=data",
    "data.category=nuts", "data.image_size=48", "data.crop=none", "data.batch_size=8", "model.encoder=resnet10t",
    "model.pretrained=false", "model.decoder_channels=4", "attribution.methods.integrated_gradients.n_steps=4",
    "trainer.max_epochs=5", "trainer.accelerator=cpu", "seed=1,2", "-m",
]
# fmt: on


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working folder after training, tables and figures with the additions."""
    folder = tmp_path_factory.mktemp("additions")
    write_category(folder / "data" / "nuts", good=20, defects=15)
    files = {
        "mine/contrast.py": METHOD,
        "mine/outside.py": METRIC,
        "conf/attribution/mine.yaml": METHODS_YAML,
        "conf/evaluation/mine.yaml": METRICS_YAML,
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text.lstrip())
    run(folder, "xairank.train", *ARGUMENTS)
    run(folder, "xairank.tables", "name=mine")
    run(folder, "xairank.figures", "name=mine", "formats=svg")
    return folder


def run(folder, *arguments):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", *arguments]
    found = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_both_are_in_the_scores(folder):
    for path in folder.glob("multirun/mine/*/scores.parquet"):
        scores = pd.read_parquet(path)
        assert set(scores["method"]) == {
            *("gradcam", "saliency", "integrated_gradients", "contrast"),
            *("random", "center", "edges", "constant", "own_mask"),
        }
        assert scores["outside"].between(0, 1).all()
        assert scores["outside_chance"].equals(1 - scores["k"] / scores["n_pixels"])
        assert scores["spread"].notna().equals(scores["method"] == "contrast")


def test_a_run_knows_them_by_their_names(folder):
    for path in folder.glob("multirun/mine/*/run.json"):
        record = json.loads(path.read_text())
        assert record["methods"]["contrast"]["label"] == "Local contrast"
        assert record["metrics"]["outside"] == {
            "label": "Mass outside",
            "higher_is_better": False,
            "low": 0.0,
            "high": 1.0,
        }


def test_both_are_in_the_tables_and_the_metric_decides(folder):
    tables = folder / "multirun" / "mine" / "tables"
    text = (tables / "ranking.md").read_text()
    assert "Local contrast" in text
    assert "Mass outside" in text
    assert "spread of the pixels, in grey values" in text
    ranking = pd.read_csv(tables / "ranking.csv")
    scores = pd.concat(map(pd.read_parquet, folder.glob("multirun/mine/*/scores.parquet")))
    for split, rows in ranking.groupby("split"):
        means = scores[scores["split"] == split].groupby(["seed", "method"])["outside"].mean().groupby("method").mean()
        ranks = rows.set_index("method")["rank"]
        assert ranks.idxmin() == means.idxmin(), split  # one bright disc or bar an image: the orders are far apart


def test_both_are_in_the_figures(folder):
    figures = folder / "multirun" / "mine" / "figures"
    distribution = (figures / "overlap_distribution.svg").read_text()
    assert "#123456" in distribution
    assert {path.name for path in figures.glob("figure3_*")} == {"figure3_gradcam.svg"}
    assert any("contrast" in path.name for path in figures.glob("figure6_*"))
