"""A ranking as an object: what it says, what it saves, and how long it lives."""

import json
import sys

import matplotlib as mpl
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

import xairank
from tests.interface.commands import brute_forces
from tests.interface.studies import COUNT, SIDE, refusal, study
from xairank.runs.sweep import read_sweep
from xairank.tables.__main__ import main as tables


@pytest.fixture(scope="module")
def ranking():
    maps, masks = study()
    labels = ["crack", "hole"] * (COUNT // 2)
    images = torch.rand(COUNT, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(5))
    return xairank.rank_maps(maps, masks, [*labels[:-2], "good", "hole"], images, predicted=[*labels[:-1], "crack"])


def test_the_table_is_sorted_best_first(ranking):
    table = ranking.table
    assert table["method"].tolist() == ["best", "middle", "awful"]
    assert (table["score"].diff().dropna() < 0).all()
    assert (table["rank"].diff().dropna() > 0).all()
    assert table.columns[:2].tolist() == ["split", "method"]
    assert set(table["n_images"]) == {COUNT - 2}
    assert (table["score_low"] <= table["score"]).all()
    assert (table["score"] <= table["score_high"]).all()
    assert table["win_rate"].sum() == pytest.approx(1)
    maps, masks = study()
    ranked = [*range(COUNT - 2)]
    expected = {name: brute_forces(values[ranked], masks[ranked]).mean() for name, values in maps.items()}
    assert table.set_index("method")["score"].to_dict() == pytest.approx(expected, abs=1e-12)


def test_images_that_are_not_ranked_are_listed(ranking):
    assert ranking.excluded[["sample", "reason"]].to_numpy().tolist() == [["0010", "good"], ["0011", "misclassified"]]
    assert "group" not in ranking.excluded
    assert "group" not in ranking.scores


def test_statistics_and_conclusion(ranking):
    statistics = ranking.statistics
    assert len(statistics) >= 3
    found = ranking.conclusion
    assert found.startswith("Test: ")
    assert found.lower().index("best") < found.lower().index("awful")
    assert "0.05" in found or "chance" in found


def test_all_of_it_in_markdown(ranking):
    report = ranking.to_markdown()
    assert report.startswith("# Ranking of attribution methods\n\n")
    assert ranking.conclusion in report
    for name in ("Best", "Middle", "Awful"):
        assert name in report
    assert report.count("\n|") > 6
    assert "Ranking" in ranking._repr_markdown_() or "|" in ranking._repr_markdown_()
    assert str(ranking).splitlines()[1].split()[:2] == ["test", "best"]
    assert repr(ranking) == f"<Ranking of 3 methods on {COUNT - 2} images; print() shows it>"


def test_the_report_is_a_page_in_the_folder_that_is_named(ranking, tmp_path):
    assert refusal(ranking.report).startswith("report: the ranking is in a temporary folder; name one")
    page = ranking.report(tmp_path / "mine")
    assert page == tmp_path / "mine" / "index.html"
    assert "Best ranks above" in page.read_text(encoding="utf-8")
    assert xairank.Ranking(ranking.save(tmp_path / "kept")).report() == tmp_path / "kept" / "report" / "index.html"


def test_a_notebook_shows_the_answer_the_table_and_what_qualifies_it(ranking):
    shown = ranking._repr_html_()
    assert shown.strip().startswith("<p><strong>Best ranks above")
    assert shown.count("<tr") == 1 + len(ranking.table) + len(ranking.controls)
    for line in ranking.conclusion.splitlines():
        assert line.replace("'", "&#39;") in shown
    assert "<script" not in shown


def test_a_figure_by_part_of_its_name(ranking):
    before = dict(mpl.rcParams)
    for name in ("overlap_distribution", "overlap", "pairwise", "win_rate"):
        assert any(name in known for known in ranking.figures)
        assert isinstance(ranking.figure(name), Figure)
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    ("name", "hint"), [("figure7_winrate", "did you mean figure7_win_rate?"), ("@", "expected one of figure7_win_rate")]
)
def test_a_figure_that_is_not_there(ranking, name, hint):
    message = refusal(ranking.figure, name)
    assert message.startswith(f"figure {name}: there is none; ")
    assert hint in message


def test_a_saved_ranking_is_a_sweep(ranking, tmp_path, monkeypatch, capsys):
    folder = ranking.save(tmp_path / "multirun" / "mine")
    assert folder == tmp_path / "multirun" / "mine"
    sweep = read_sweep(folder)
    pd.testing.assert_frame_equal(sweep.scores, ranking.sweep.scores)
    pd.testing.assert_frame_equal(xairank.Ranking(folder).scores, ranking.scores)
    pd.testing.assert_frame_equal(xairank.Ranking(folder).table, ranking.table)
    assert xairank.Ranking(folder).conclusion == ranking.conclusion
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["tables", "name=mine"])
    tables()
    assert ranking.conclusion.splitlines()[0] in capsys.readouterr().out
    table = pd.read_csv(folder / "tables" / "ranking.csv")
    table = table[table["control"].isna()]
    pd.testing.assert_frame_equal(
        table[["method", "score", "rank"]].sort_values("rank", ignore_index=True),
        ranking.table[["method", "score", "rank"]],
        check_dtype=False,
    )
    assert all(json.loads(path.read_text())["status"] == "complete" for path in folder.glob("*/run.json"))


def test_nothing_is_overwritten(ranking, tmp_path):
    (tmp_path / "mine").mkdir()
    assert ranking.save(tmp_path / "mine") == tmp_path / "mine"  # it is empty
    assert refusal(ranking.save, tmp_path / "mine").endswith("mine: is not empty; choose a new folder, or delete it")
    (tmp_path / "file").write_text("mine")
    assert "is not empty" in refusal(ranking.save, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
    saved = xairank.Ranking(tmp_path / "mine")
    assert saved.save(tmp_path / "mine") == tmp_path / "mine"  # where it is already


def test_the_temporary_folder_lives_as_long_as_the_ranking():
    maps, masks = study()
    ranking = xairank.rank_maps(maps, masks)
    folder = ranking.folder
    assert folder.is_dir()
    del ranking
    assert not folder.exists()


def test_a_ranking_of_nothing_says_so():
    maps, masks = study()
    ranking = xairank.rank_maps(maps, masks, ["good"] * COUNT)
    assert ranking.conclusion == "No image could be ranked: no defect with a mask in view was classified correctly."
    assert ranking.table.empty
    assert ranking.statistics.empty
    assert ranking.conclusion in ranking.to_markdown()
    assert ranking.conclusion in str(ranking)
    assert repr(ranking) == "<Ranking of 3 methods on 0 images; print() shows it>"
    assert refusal(ranking.figure, "overlap").startswith("figure overlap: there is none; expected one of none")
