from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.figures.conftest import write_sweep_with_maps
from tests.figures.layout import layout_faults, texts_of
from xairank.errors import UserError
from xairank.figures.options import Options, parse_options
from xairank.figures.selection import choose_run, choose_samples, load_maps, sample_figures
from xairank.figures.style import method_styles
from xairank.runs.group import Group
from xairank.runs.maps import read_maps, write_maps
from xairank.runs.sweep import Sweep, read_sweep


@pytest.fixture
def group(sweep: Sweep) -> Group:
    return sweep.groups[0]


def options(*arguments: str) -> Options:
    return parse_options(["name=paper", *arguments])


def test_the_first_seed_or_the_one_asked_for(group: Group):
    assert choose_run(group, options())["seed"] == 42
    assert choose_run(group, options("seed=44"))["seed"] == 44
    with pytest.raises(UserError, match="no run of seed 7"):
        choose_run(group, options("seed=7"))


def test_best_median_and_worst_of_each_method(group: Group):
    run = group.runs.iloc[0]
    scores = pd.read_parquet(run["folder"] / "scores.parquet")
    chosen = {choice.name: choice for choice in choose_samples(group, run, "train")}
    assert len(chosen) == 9
    for method in ("gradcam", "saliency", "integrated_gradients"):
        rows = scores[(scores["method"] == method) & (scores["split"] == "train")].set_index("sample")["topk_overlap"]
        assert rows[chosen[f"{method}_best"].sample] == rows.max()
        assert rows[chosen[f"{method}_worst"].sample] == rows.min()
        assert rows[chosen[f"{method}_median"].sample] == np.sort(rows)[(len(rows) - 1) // 2]
    assert chosen["saliency_best"].remark == f"Best of {len(rows)} images for Saliency. "


def test_a_sample_that_the_first_seed_missed_comes_from_another(group: Group):
    excluded = group.excluded[group.excluded["reason"] == "misclassified"]
    missed_once = excluded[excluded["seed"] == 42].merge(group.scores[["sample"]].drop_duplicates(), on="sample")
    sample = missed_once["sample"].iloc[0]
    assert choose_run(group, options(f"sample={sample}"))["seed"] != 42
    with pytest.raises(UserError, match=f"{sample} is not ranked: misclassified"):
        choose_run(group, options(f"sample={sample}", "seed=42"))


def test_a_good_sample_is_not_ranked(group: Group):
    with pytest.raises(UserError, match="good/000 is not ranked: good"):
        choose_run(group, options("sample=good/000"))


def test_figures_of_one_sample_show_its_scores(group: Group):
    scores = group.scores[(group.scores["seed"] == 42) & (group.scores["split"] == "train")]
    sample = scores["sample"].iloc[0]
    figures = sample_figures(group, options(f"sample={sample}", "seed=42"), method_styles(group.methods))
    name = f"figure6_{sample.replace('/', '_')}"
    assert list(figures) == [name, "figure3_gradcam"]
    figure = figures[name]()
    text = texts_of(figure)
    assert f"Sample {sample} | " in text
    assert "Training set, seed 42." in text
    overlaps = scores[scores["sample"] == sample].set_index("method")["topk_overlap"]
    for overlap in overlaps:
        assert f"{overlap:.3f}" in text
    assert f"(Top-K Overlap {overlaps.max():.3f})" in text
    assert layout_faults(figure) == []
    assert f"Sample {sample} | " in texts_of(figures["figure3_gradcam"]())


def test_figure3_shows_the_best_gradcam_sample(group: Group):
    figures = sample_figures(group, options("split=test"), method_styles(group.methods))
    best = next(choice for choice in choose_samples(group, group.runs.iloc[0], "test") if choice.name == "gradcam_best")
    assert f"Sample {best.sample} | " in texts_of(figures["figure3_gradcam"]())
    assert "Best of" in texts_of(figures["figure6_gradcam_best"]())


def test_folds_take_the_sample_from_the_run_that_ranked_it(tmp_path: Path):
    folder = write_sweep_with_maps(tmp_path / "folds", seeds=(42,), n_images=4, folds=(0, 1))
    (group,) = read_sweep(folder).groups
    ranked = [set(group.scores_of(run)["sample"]) for _, run in group.runs.iterrows()]
    only_second = sorted(ranked[1] - ranked[0])
    assert choose_run(group, options(f"sample={only_second[0]}"))["fold"] == 1


def test_without_maps_the_reason_and_the_remedy_are_told(tmp_path: Path):
    folder = write_sweep_with_maps(tmp_path / "bare", seeds=(42,), n_images=4)
    (maps,) = folder.glob("*/maps.npz")
    maps.unlink()
    (group,) = read_sweep(folder).groups
    with pytest.raises(UserError, match=r"maps\.npz not found; train with attribution\.keep_maps=true"):
        sample_figures(group, options(), method_styles(group.methods))


def test_every_method_with_class_activation_has_its_figure3(tmp_path: Path):
    folder = write_sweep_with_maps(tmp_path / "two", seeds=(42,), n_images=4)
    (path,) = folder.glob("*/maps.npz")
    maps = read_maps(path)
    both = dict.fromkeys(("gradcam", "saliency"), maps.class_activation["gradcam"])
    write_maps(path, replace(maps, class_activation=both))
    load_maps.cache_clear()
    (group,) = read_sweep(folder).groups
    figures = sample_figures(group, options(), method_styles(group.methods))
    assert {name for name in figures if name.startswith("figure3")} == {"figure3_gradcam", "figure3_saliency"}
    assert "Saliency, 7" in texts_of(figures["figure3_saliency"]())
