import numpy as np
import pytest

from tests.figures.layout import layout_faults, texts_of
from tests.runs_fixture import CONTROLS, write_fake_sweep
from xairank.figures.catalog import list_figures
from xairank.figures.options import parse_options
from xairank.runs.sweep import read_sweep

OPTIONS = {"attribution.controls": CONTROLS, "attribution.ladder": True, "attribution.randomise": True}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    sweep = read_sweep(write_fake_sweep(tmp_path_factory.mktemp("multirun") / "paper", range(42, 47), **OPTIONS))
    return sweep, list_figures(sweep, parse_options(["name=paper"]))[0]


def test_points_of_the_ladder_are_the_means_by_blur(made):
    sweep, figures = made
    (group,) = sweep.groups
    blur, layers = figures["ladder_test"]().axes
    lines = blur.get_lines()
    rows = group.blurred("test")
    for line, method in zip(lines, [*group.methods, *group.controls], strict=False):
        own = rows[rows["method"] == method]
        expected = own.groupby(["level", "seed"])["topk_overlap"].mean().groupby("level").mean()
        np.testing.assert_allclose(line.get_ydata(), expected.to_numpy())
    assert [label.get_text() for label in blur.get_xticklabels()] == ["0", "2", "4", "8", "16", "32"]
    assert [label.get_text() for label in layers.get_xticklabels()] == ["blocks.1", "blocks.4", "encoder.bn2"]


def test_points_of_the_randomisation_check_begin_with_the_trained_network(made):
    sweep, figures = made
    (group,) = sweep.groups
    score, likeness = figures["randomisation_test"]().axes
    for line, method in zip(score.get_lines(), group.methods, strict=False):
        own = group.of_split("test").query(f"method == '{method}'")
        assert line.get_ydata()[0] == pytest.approx(own.groupby("seed")["topk_overlap"].mean().mean())
        assert len(line.get_ydata()) == 6
    assert all(line.get_ydata()[0] == 1 for line in likeness.get_lines()[:3])


@pytest.mark.parametrize("name", ["ladder_train", "ladder_test", "randomisation_train", "randomisation_test"])
def test_texts_stand_apart_and_say_what_it_rests_on(made, name):
    figure = made[1][name]()
    assert layout_faults(figure) == []
    assert "95 % interval over seeds and images. 5 seeds; " in texts_of(figure)
