import numpy as np
import pandas as pd
import pytest

from tests.figures.conftest import FACTS, METHODS_AND_MORE, styles_of
from tests.figures.layout import layout_faults, texts_of
from tests.runs_fixture import CONTROLS, write_fake_sweep
from xairank.figures.catalog import list_figures
from xairank.figures.defects import draw_defects
from xairank.figures.options import parse_options
from xairank.ranking.defects import summarize_defects
from xairank.runs.sweep import read_sweep

LONG = [f"long_imprint_{number}" for number in range(15)]
NAMES = ["size", "thinness", "components", "confidence", "class"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("multirun") / "paper"
    sweep = read_sweep(write_fake_sweep(folder, range(42, 47), **{"attribution.controls": CONTROLS}))
    return sweep, list_figures(sweep, parse_options(["name=paper"]))[0]


def simulated(methods, classes, properties=tuple(NAMES), chance=0.02):
    """A summary of any methods, without a draw of scores."""
    parts = dict.fromkeys(NAMES, ("small", "medium", "large")) | {"class": classes}
    rows = [
        (name, part, "" if name == "class" else "0.012 to 0.345", method, 0.1 + 0.5 * place / len(methods), 12, chance)
        for name in properties
        for part in parts[name]
        for place, method in enumerate(methods)
    ]
    found = pd.DataFrame(rows, columns=["property", "part", "range", "method", "score", "n_images", "chance"])
    return found.assign(score_low=found["score"] - 0.1, score_high=found["score"] + 0.1)


def test_points_and_bars_are_the_means_with_their_intervals(made):
    sweep, figures = made
    (group,) = sweep.groups
    summary = summarize_defects(group.of_split("test"), "topk_overlap", group.metric_facts)
    figure = figures["by_defect_test"]()
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        *("Size, % of the image", "Thinness", "Components", "Confidence", "Class")
    ]
    for axes, name in zip(figure.axes, NAMES, strict=True):
        own = summary[summary["property"] == name]
        for number, method in enumerate(group.methods):
            rows = own[own["method"] == method]
            line, bars = axes.get_lines()[number], axes.collections[number]
            np.testing.assert_allclose(line.get_ydata(), rows["score"])
            assert np.round(line.get_xdata()).tolist() == list(range(len(rows)))
            np.testing.assert_allclose([bar[:, 1] for bar in bars.get_segments()], rows[["score_low", "score_high"]])
            assert (line.get_linestyle() == "None") == (name == "class")
        chances = own.drop_duplicates("part")["chance"]
        np.testing.assert_allclose([line.get_ydata()[0] for line in axes.get_lines()[3:]], chances)
        ticks = [label.get_text().split("\n") for label in axes.get_xticklabels()]
        assert [tick[0] for tick in ticks] == own["part"].unique().tolist()
        assert [tick[-1] for tick in ticks] == [f"n = {n}" for n in own.drop_duplicates("part")["n_images"]]


@pytest.mark.parametrize("split", ["train", "test"])
def test_it_says_what_it_rests_on(made, split):
    figure = made[1][f"by_defect_{split}"]()
    assert layout_faults(figure) == []
    texts = texts_of(figure)
    assert "bar: 95 % interval over seeds and images; n: images. 5 seeds; " in texts
    assert "Chance" in texts
    assert "†" in texts


@pytest.mark.parametrize("n_methods", [1, 3, 12])
@pytest.mark.parametrize("classes", [("crack", "cut"), tuple(LONG[:5]), tuple(LONG)])
@pytest.mark.parametrize("properties", [tuple(NAMES), tuple(NAMES[:3]), ("size", "class"), ("confidence",), ("class",)])
def test_texts_stand_apart(n_methods, classes, properties):
    methods = METHODS_AND_MORE[:n_methods]
    figure = draw_defects(simulated(methods, classes, properties), FACTS, styles_of(methods), "5 seeds; 36 images.")
    assert layout_faults(figure) == []
    assert len(figure.axes) == len(properties)


def test_the_axis_stays_within_the_limits_of_the_metric_and_holds_all_bars():
    methods = METHODS_AND_MORE[:3]
    summary = simulated(methods, ("cut", "hole")).assign(score_low=0.0, score_high=1.0)
    for axes in draw_defects(summary, FACTS, styles_of(methods), "1 seed.").axes:
        assert axes.get_ylim() == (0, 1)


def test_unknown_chance_is_not_drawn():
    methods = METHODS_AND_MORE[:3]
    summary = simulated(methods, ("cut", "hole"), chance=np.nan)
    figure = draw_defects(summary, FACTS, styles_of(methods), "1 seed.")
    assert "Chance" not in texts_of(figure)
    assert all(len(axes.get_lines()) == 3 for axes in figure.axes)


def test_defects_that_are_all_alike_have_no_figure(tmp_path):
    folder = write_fake_sweep(tmp_path / "alike", [1])
    path = next(folder.glob("*/scores.parquet"))
    alike = {"k": 100, "components": 1, "thinness": 0.5, "probability": 0.9, "label": "cut"}
    pd.read_parquet(path).assign(**alike).to_parquet(path, index=False)
    figures, _ = list_figures(read_sweep(folder), parse_options(["name=alike"]))
    assert not any(name.startswith("by_defect") for name in figures)
