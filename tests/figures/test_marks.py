from pathlib import Path

from tests.figures.layout import layout_faults, texts_of
from tests.runs_fixture import CONTROLS, write_fake_sweep
from xairank.figures.catalog import list_figures
from xairank.figures.marks import MARK, control_styles
from xairank.figures.options import parse_options
from xairank.runs.sweep import read_sweep
from xairank.schema import MethodFacts


def controlled(folder: Path):
    """Grad-CAM is far above the centre control, the two others are not."""
    return read_sweep(
        write_fake_sweep(folder / "paper", range(42, 52), n_images=16, **{"attribution.controls": CONTROLS})
    )


def test_methods_that_beat_no_control_are_marked_in_every_figure_of_methods(tmp_path):
    figures, _ = list_figures(controlled(tmp_path), parse_options(["name=paper"]))
    names = [name for name in figures if not name.startswith(("figure5", "agreement"))]  # which show no method
    assert set(names) == {
        *("figure7_win_rate", "overlap_distribution", "overlap_by_size"),
        *(
            f"{kind}_{split}"
            for kind in ("pairwise_wins", "critical_difference", "by_defect")
            for split in ("train", "test")
        ),
    }
    for name in names:
        figure = figures[name]()
        texts = texts_of(figure).replace("\n", " ")
        assert f"Saliency{MARK}" in texts, name
        assert f"Grad-CAM{MARK}" not in texts, name
        assert "not shown to beat the best control without evidence" in texts, name
        assert layout_faults(figure) == [], name


def test_controls_stand_beside_the_methods_in_the_distribution(tmp_path):
    sweep = controlled(tmp_path)
    figures, _ = list_figures(sweep, parse_options(["name=paper"]))
    axes = figures["overlap_distribution"]().axes[0]
    labels = [label.get_text().replace("\n", " ") for label in axes.get_xticklabels()]
    assert labels[-3:] == ["Random", "Center", "Own mask"]
    figure7 = texts_of(figures["figure7_win_rate"]())
    assert "Center" not in figure7


def test_controls_are_grey_and_differ():
    styles = control_styles({name: MethodFacts(name) for name in "abc"})
    colors = [style.color for style in styles.values()]
    assert len(set(colors)) == 3
    assert all(0 < float(color) < 1 for color in colors)
