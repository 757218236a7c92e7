from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.runs_fixture import write_fake_sweep
from xairank.errors import UserError
from xairank.figures.catalog import list_figures
from xairank.figures.options import parse_options
from xairank.runs.sweep import Sweep, read_sweep

OPTIONS = parse_options(["name=paper"])
WITHOUT_MAPS = {
    "figure5_curves",
    "figure7_win_rate",
    "overlap_distribution",
    "overlap_by_size",
    *(
        f"{name}_{split}"
        for name in ("critical_difference", "pairwise_wins", "agreement", "by_defect")
        for split in ("train", "test")
    ),
}


def bare_sweep(folder: Path, **options) -> Sweep:
    return read_sweep(write_fake_sweep(folder, **options))


def test_all_figures_of_a_sweep_with_maps(sweep: Sweep):
    figures, left_out = list_figures(sweep, OPTIONS)
    samples = {
        f"figure6_{method}_{place}"
        for method in ("gradcam", "saliency", "integrated_gradients")
        for place in ("best", "median", "worst")
    }
    assert set(figures) == WITHOUT_MAPS | samples | {"figure3_gradcam"}
    assert left_out == []


def test_pairwise_wins_and_ranks_are_of_images_averaged_over_seeds(sweep: Sweep):
    figures, _ = list_figures(sweep, OPTIONS)
    scores = sweep.scores[sweep.scores["split"] == "test"]
    images = {sample: rows.groupby("method")["topk_overlap"].mean() for sample, rows in scores.groupby("sample")}
    shown = np.asarray(figures["pairwise_wins_test"]().axes[0].collections[0].get_array())
    wins = [image["gradcam"] > image["saliency"] for image in images.values()]
    ties = [image["gradcam"] == image["saliency"] for image in images.values()]
    assert shown[0, 1] == pytest.approx(np.mean(wins) + np.mean(ties) / 2)
    assert shown[1, 0] == pytest.approx(1 - shown[0, 1])
    ranks = pd.DataFrame(images).rank(ascending=False).mean(axis=1)
    labels = {text.get_text().strip() for text in figures["critical_difference_test"]().axes[0].texts}
    assert f"Saliency ({ranks['saliency']:.2f})" in labels
    assert f"Critical difference {2.343701 * np.sqrt(3 * 4 / 6 / len(images)):.2f}" in labels


def test_without_maps_figures_3_and_6_are_left_out(tmp_path: Path):
    figures, left_out = list_figures(bare_sweep(tmp_path / "bare", seeds=(42,)), OPTIONS)
    assert set(figures) == WITHOUT_MAPS
    assert len(left_out) == 1
    assert "Left out Figures 3 and 6" in left_out[0]
    assert "keep_maps=true" in left_out[0]


def test_a_set_of_files_for_each_group(tmp_path: Path):
    variants = ({"model.beta": 0.0}, {"model.beta": 1.0})
    figures, left_out = list_figures(bare_sweep(tmp_path / "two", seeds=(42,), variants=variants), OPTIONS)
    assert set(figures) == {f"{name}_model.beta={beta}" for name in WITHOUT_MAPS for beta in (0, 1)}
    assert [line[-14:] for line in left_out] == ["(model.beta=0)", "(model.beta=1)"]


def test_one_method_has_no_ranks(tmp_path: Path):
    methods = {"saliency": {"_target_": "xairank.attribution.Saliency"}}
    sweep = bare_sweep(tmp_path / "one", seeds=(42,), **{"attribution.methods": methods})
    figures, left_out = list_figures(sweep, OPTIONS)
    assert set(figures) == {name for name in WITHOUT_MAPS if name.startswith(("figure", "overlap", "by_defect"))}
    assert "only one method" in left_out[0]
    assert left_out[1] == "Left out the agreement of metrics: there is only one method"


def test_few_images_have_no_critical_difference(tmp_path: Path):
    figures, left_out = list_figures(bare_sweep(tmp_path / "few", seeds=(42,), n_images=4), OPTIONS)
    assert "critical_difference_train" in figures
    assert "critical_difference_test" not in figures
    assert any("test set: 4 images, and" in line or "test set: 3 images, and" in line for line in left_out)


def test_no_ranked_image_leaves_the_curves(sweep: Sweep):
    empty = Sweep(sweep.folder, sweep.scores[:0], sweep.metrics, sweep.excluded, sweep.runs)
    figures, left_out = list_figures(empty, OPTIONS)
    assert list(figures) == ["figure5_curves"]
    assert "no image is ranked" in left_out[0]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("seed=7", "seed=7: no such run in .*; expected one of 42, 43, 44"),
        ("sample=crack/00", "sample=crack/00: no such sample in .*; expected a key such as crack/"),
    ],
)
def test_what_is_nowhere_in_the_sweep_is_a_mistake(sweep: Sweep, argument: str, message: str):
    with pytest.raises(UserError, match=message):
        list_figures(sweep, parse_options(["name=paper", argument]))
