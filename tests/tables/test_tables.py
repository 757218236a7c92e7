import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tests.runs_fixture import CONTROLS, fake_config, write_fake_run, write_fake_sweep
from xairank.console import sweep_folder
from xairank.errors import UserError
from xairank.runs.sweep import read_sweep
from xairank.tables.__main__ import USAGE, main
from xairank.tables.collection import make_tables
from xairank.tables.published import published_metrics
from xairank.tables.table import Table, mean_and_std, p_value, with_interval

WIN_RATES = ["win_rate_train", "win_rate_test"]
NAMES = ["hyperparameters", "performance", *WIN_RATES, "ranking", "statistics", "agreement", "by_defect"]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    folder = write_fake_sweep(tmp_path_factory.mktemp("multirun") / "paper", range(42, 48), n_epochs=30)
    return read_sweep(folder)


@pytest.fixture(scope="module")
def tables(sweep):
    return {table.name: table for table in make_tables(sweep)[0]}


def cells(table, row_name, after=None):
    """The row of that name, the first one after the row ``after``."""
    rows = [row for block in table.blocks for row in block]
    start = 0 if after is None else [row[0] for row in rows].index(after)
    return dict(zip(table.header, next(row for row in rows[start:] if row[0] == row_name), strict=True))


def test_table_1_comes_from_the_configuration_that_ran(tmp_path):
    folder = write_fake_sweep(tmp_path / "s", [1, 2], 4, **{"model.lr": 0.01, "data.num_workers": 0})
    table = make_tables(read_sweep(folder))[0][0]
    assert cells(table, "Learning rate")["Value"] == "0.01"
    assert cells(table, "Learning rate")["Published"] == "0.001"
    assert cells(table, "Learning rate")["Difference"] == "+0.009"
    assert cells(table, "Number of epochs")["Difference"] == "-27"
    assert cells(table, "Encoder")["Difference"] == "none"
    assert cells(table, "Mask loss")["Difference"] == "other"


def test_table_2_is_the_last_epoch_over_seeds(sweep, tables):
    last = sweep.metrics[sweep.metrics["epoch"] == 29]["test_balanced_accuracy"]
    row = cells(tables["performance"], "Test")
    assert row["Balanced accuracy"] == f"{last.mean():.4f} ± {np.std(last):.4f}"
    assert row["Seeds"] == "6"
    assert row["Images"] == "32"
    assert cells(tables["performance"], "published", after="Test")["Balanced accuracy"] == "0.9443 ± 0.0467"
    difference = cells(tables["performance"], "difference", after="Test")
    published = published_metrics().query("epoch == 29")["test_balanced_accuracy"].mean()
    assert difference["Balanced accuracy"] == f"{last.mean() - published:+.4f}"
    assert difference["Mask loss"] == "other mask loss"


def test_runs_of_several_lengths_each_give_their_last_epoch(tmp_path):
    for seed, n_epochs in ((1, 2), (2, 5)):
        write_fake_run(tmp_path / "s" / str(seed), fake_config(seed), n_images=4, n_epochs=n_epochs)
    found = read_sweep(tmp_path / "s")
    last = found.metrics.groupby("seed")["test_loss"].last()
    row = cells(make_tables(found)[0][1], "Test")
    assert row["Total loss"].startswith(f"{last.mean():.4f}")


def test_tables_3_and_4_by_brute_force(sweep, tables):
    scores = sweep.scores[(sweep.scores["split"] == "test") & (sweep.scores["label"] == "cut")]
    wide = scores.pivot(index=["seed", "sample"], columns="method", values="topk_overlap")
    wins = wide.eq(wide.max(axis=1), axis=0)
    rates = wins.div(wins.sum(axis=1), axis=0).groupby("seed").mean()
    row = cells(tables["win_rate_test"], "Cut")
    assert row["Grad-CAM"].replace("*", "") == f"{rates['gradcam'].mean():.4f} ± {rates['gradcam'].std(ddof=0):.4f}"
    assert row["Saliency"] == f"{rates['saliency'].mean():.4f} ± {rates['saliency'].std(ddof=0):.4f}"
    assert row["Images"] == str(wide.reset_index()["sample"].nunique())
    assert row["Ranked"] == f"{len(wide)} of 24"
    assert row["Excluded"] == f"{24 - len(wide)} misclassified"
    assert cells(tables["win_rate_test"], "published", after="Cut")["Grad-CAM"] == "0.8250 ± 0.1601"
    assert (
        cells(tables["win_rate_test"], "difference", after="Cut")["Grad-CAM"]
        == f"{rates['gradcam'].mean() - 0.825:+.4f}"
    )
    assert "96 good" in cells(tables["win_rate_test"], "Overall")["Excluded"]


def test_the_best_is_bold_and_nothing_else(tables):
    for block in tables["win_rate_train"].blocks:
        for row in block:
            values = [float(cell.strip("*+-").split("*")[0].split(" ")[0]) for cell in row[1:4]]
            bold = [cell.startswith("**") for cell in row[1:4]]
            assert bold == [row[0] not in ("published", "difference") and value == max(values) for value in values]


def test_the_sweeps_tie_rule_is_honoured(tmp_path):
    rates = {}
    for ties in ("shared", "first"):
        folder = write_fake_sweep(tmp_path / ties, [1], 8, **{"ranking.ties": ties})
        path = next(folder.iterdir()) / "scores.parquet"
        pd.read_parquet(path).assign(topk_overlap=0.0).to_parquet(path)
        tables = {table.name: table for table in make_tables(read_sweep(folder))[0]}
        rates[ties] = tables["win_rate_test"].data.query("label == 'overall'")["mean"].tolist()
        assert tables["ranking"].data.query("split == 'test'")["win_rate"].tolist() == pytest.approx(rates[ties])
    assert rates == {"shared": pytest.approx([1 / 3] * 3), "first": [1, 0, 0]}


def test_a_class_that_no_run_ranked_is_shown_all_the_same(tmp_path):
    folder = write_fake_sweep(tmp_path / "s", [1], 8)
    run = next(folder.iterdir())
    scores, excluded = pd.read_parquet(run / "scores.parquet"), pd.read_csv(run / "excluded.csv")
    holes = scores[scores["label"] == "hole"].drop_duplicates(["split", "sample"])
    scores[scores["label"] != "hole"].to_parquet(run / "scores.parquet")
    columns = list(excluded.columns)
    pd.concat([excluded, holes.assign(reason="empty_mask")[columns]]).to_csv(run / "excluded.csv", index=False)
    table = {table.name: table for table in make_tables(read_sweep(folder))[0]}["win_rate_test"]
    row = cells(table, "Hole")
    assert (row["Grad-CAM"], row["Images"], row["Seeds"]) == ("-", "0", "0")
    assert row["Ranked"] == "0 of 2"
    assert "empty mask" in row["Excluded"]


@pytest.mark.parametrize("other", [{"data.category": "tile"}, {"data.synthetic": {"good": 5}}])
def test_other_data_has_nothing_published_beside_it_and_one_note(tmp_path, other):
    folder = write_fake_sweep(tmp_path / "s", [1, 2], 8, n_epochs=30, **other)
    for table in make_tables(read_sweep(folder))[0][:4]:
        rows = [row[0] for block in table.blocks for row in block]
        assert not {"published", "difference"} & {*rows, *map(str.lower, table.header), *table.data.columns}
        assert not [name for name in table.data.columns if "published" in name or "comparable" in name]
        published = [note for note in table.notes if "Published figures exist" in note]
        assert len(published) == (table.name == "performance")  # a single note


def test_a_lower_is_better_metric_ranks_as_its_mirror_image(tmp_path):
    tables = {}
    for name in ("topk_overlap", "distance"):
        folder = write_fake_sweep(tmp_path / name, [1, 2], 8, **{"ranking.metric": name})
        for run in folder.iterdir():
            info = json.loads((run / "run.json").read_text())
            facts = {"label": "Distance", "higher_is_better": False, "low": 0.0, "high": None}
            info["metrics"]["distance"] = facts
            (run / "run.json").write_text(json.dumps(info))
            scores = pd.read_parquet(run / "scores.parquet")
            scores.assign(distance=100 - scores["topk_overlap"]).to_parquet(run / "scores.parquet")
        tables[name] = {table.name: table for table in make_tables(read_sweep(folder))[0]}
    one, other = (tables[name]["ranking"].data for name in ("topk_overlap", "distance"))
    for column in ("rank", "rank_low", "rank_high", "win_rate", "win_rate_low", "win_rate_high"):
        assert other[column].tolist() == pytest.approx(one[column].tolist())
    assert other["score"].tolist() == pytest.approx((100 - one["score"]).tolist())
    assert "Distance" in tables["distance"]["ranking"].header
    assert "Chance-corrected" not in tables["distance"]["ranking"].header
    one, other = (tables[name]["statistics"].data for name in ("topk_overlap", "distance"))
    for column in ("holm_p", "nemenyi_p", "two_way_p", "rank_biserial", "rank_difference"):
        assert other[column].tolist() == pytest.approx(one[column].tolist())
    assert (other["verdict"] == one["verdict"]).all()
    wins = [tables[name]["win_rate_test"].data["mean"].tolist() for name in ("topk_overlap", "distance")]
    assert wins[0] == pytest.approx(wins[1])


def test_several_groups_give_a_block_each(tmp_path):
    folder = write_fake_sweep(tmp_path / "s", [1, 2], 8, variants=[{"model.beta": 0}, {"model.beta": 1}])
    tables, conclusions = make_tables(read_sweep(folder))
    for table in tables:
        assert [block[0][0] for block in table.blocks] == ["**model.beta=0**", "**model.beta=1**"]
        assert set(table.data["group"]) == {"model.beta=0", "model.beta=1"}
    assert len(conclusions) == 4 + 1
    assert conclusions[-1] == "Not looked at: controls, blur, reliance and randomisation."
    assert any(note.startswith("model.beta=0: ") and "beta" in note[14:] for note in tables[1].notes)


def test_folds_count_each_seed_once(tmp_path):
    folder = write_fake_sweep(tmp_path / "s", [1, 2, 3], 8, folds=[0, 1])
    tables = {table.name: table for table in make_tables(read_sweep(folder))[0]}
    assert set(tables["performance"].data["n_seeds"]) == {3}
    assert set(tables["win_rate_test"].data["n_seeds"]) == {3}
    assert any("folds 0 and 1" in note for note in tables["performance"].notes)


def test_fewer_than_six_images_conclude_nothing(tmp_path):
    folder = write_fake_sweep(tmp_path / "s", [1, 2, 3], 4)
    tables, conclusions = make_tables(read_sweep(folder))
    assert conclusions[1] == "Test: 4 images are too few: with fewer than 6, no test can reach p < 0.05."
    data = {table.name: table for table in tables}["statistics"].data
    assert data.loc[data["split"] == "test", ["friedman_p", "holm_p"]].isna().all(axis=None)


def test_no_ranked_image_still_gives_tables_1_and_2(tmp_path, capsys, monkeypatch):
    folder = write_fake_sweep(tmp_path / "s", [1], 4)
    path = next(folder.iterdir()) / "scores.parquet"
    pd.read_parquet(path).head(0).to_parquet(path)
    run_command(monkeypatch, "name=s", f"folder={tmp_path}")
    assert "No image could be ranked" in capsys.readouterr().out
    assert len(pd.read_csv(folder / "tables" / "performance.csv")) == 8


def run_command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["tables", *arguments])
    main()


def test_the_command_writes_three_files_a_table_and_nothing_else(sweep, capsys, monkeypatch):
    run_command(monkeypatch, f"name={sweep.folder.name}", f"folder={sweep.folder.parent}")
    found = {path.name for path in (sweep.folder / "tables").iterdir()}
    assert found == {f"{name}.{suffix}" for name in NAMES for suffix in ("csv", "md", "tex")}
    out = capsys.readouterr().out
    assert "Win rate on the test set" in out
    assert "Grad-CAM ranks above" in out
    again = {path.name: path.read_bytes() for path in (sweep.folder / "tables").iterdir()}
    run_command(monkeypatch, f"name={sweep.folder.name}", f"folder={sweep.folder.parent}")
    assert again == {path.name: path.read_bytes() for path in (sweep.folder / "tables").iterdir()}


def test_markdown_and_latex_have_every_cell(tables):
    for table in tables.values():
        lines = [line for line in table.to_markdown().splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) == 1
        assert len({len(line) for line in lines}) == 1
        assert len(lines) == 2 + sum(len(block) for block in table.blocks)
        rows = [line for line in table.to_latex().splitlines() if line.endswith(r"\\")]
        assert {row.count(" & ") for row in rows} == {len(table.header) - 1}
        assert len(rows) == 1 + sum(len(block) for block in table.blocks)


def test_latex_escapes_what_latex_reads():
    table = Table("t", "50 % of a_b", pd.DataFrame(), ["x"], [[[r"a_b & {c} \d ~ **0.5** ± 0.1 < β"]]], ["#1 ^ $"])
    latex = table.to_latex()
    assert r"a\_b \& \{c\} \textbackslash{}d \textasciitilde{} \textbf{0.5} $\pm$ 0.1 \textless{} $\beta$" in latex
    assert r"\#1 \textasciicircum{} \$" in latex
    assert r"50 \% of a\_b" in latex


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
def test_latex_compiles_alone_and_included(tables, tmp_path):
    for name, table in tables.items():
        table.write(tmp_path)
        compile_latex(tmp_path / f"{name}.tex")
    inputs = "".join(rf"\input{{{name}.tex}}" for name in tables)
    document = rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{inputs}\end{{document}}"
    (tmp_path / "paper.tex").write_text(document)
    compile_latex(tmp_path / "paper.tex")


def compile_latex(path):
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", path.name]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-1500:]
    assert path.with_suffix(".pdf").stat().st_size > 1000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (mean_and_std(0.12345, 0.5), "0.1235 ± 0.5000"),
        (mean_and_std(0.5, np.nan), "0.5000"),
        (mean_and_std(np.nan, np.nan), "-"),
        (with_interval(0.5, 0.25, 1), "0.500 [0.250, 1.000]"),
        (with_interval(0.5, np.nan, np.nan, bold=True), "**0.500**"),
        (p_value(0.0004), "<0.001"),
        (p_value(0.04), "0.040"),
        (p_value(np.nan), "-"),
    ],
)
def test_numbers_as_text(text, expected):
    assert text == expected


def test_arguments_and_mistakes():
    assert str(sweep_folder(["name=paper"], usage=USAGE)) == "multirun/paper"
    assert str(sweep_folder(["folder=/x", "name=a=b"], usage=USAGE)) == "/x/a=b"
    for arguments, message in (
        ([], "name: missing"),
        (["paper"], "found no '='"),
        (["nam=paper"], "nam: no such key; did you mean name?"),
    ):
        with pytest.raises(UserError, match=re.escape(message)):
            sweep_folder(arguments, usage=USAGE)


def test_a_missing_sweep_ends_in_one_line_and_status_2(tmp_path):
    command = [sys.executable, "-m", "xairank.tables", "name=nothing", f"folder={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "nothing: no such sweep" in done.stderr


def test_no_torch_is_imported(sweep):
    code = (
        "import sys; from xairank.tables.__main__ import main; main(); "
        "sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    )
    command = [sys.executable, "-c", code, f"name={sweep.folder.name}", f"folder={sweep.folder.parent}"]
    assert subprocess.run(command, capture_output=True).returncode == 0


def test_controls_stand_below_the_methods_and_never_win(tmp_path):
    overrides = {"attribution.controls": CONTROLS}
    plain = read_sweep(write_fake_sweep(tmp_path / "multirun" / "plain", range(42, 52)))
    controlled = read_sweep(write_fake_sweep(tmp_path / "multirun" / "controlled", range(42, 52), **overrides))
    without, beside = ({table.name: table for table in make_tables(sweep)[0]} for sweep in (plain, controlled))
    for name in ("win_rate_train", "win_rate_test", "statistics"):
        assert beside[name].blocks == without[name].blocks, name
    table = beside["ranking"]
    rows = [row for row in table.blocks[0] if row[0] == "Test"]
    assert [row[1] for row in rows[3:]] == ["control: Random", "control: Center", "control: Own mask"]
    assert {dict(zip(table.header, row, strict=True))["Win rate"] for row in rows[3:]} == {"-"}
    shown = {row[1]: dict(zip(table.header, row, strict=True))["Against controls"] for row in rows[:3]}
    assert [label for label, verdict in shown.items() if verdict == "above"] == ["Grad-CAM"]
    assert set(shown.values()) <= {"above", "not shown", "below"}
    numbers = table.data[(table.data["split"] == "test") & (table.data["method"] == "center")]
    expected = controlled.scores.query("split == 'test' and method == 'center'").groupby("seed")["topk_overlap"].mean()
    assert numbers["score"].item() == pytest.approx(expected.mean())


def test_the_words_say_who_does_not_beat_a_control(tmp_path):
    sweep = read_sweep(write_fake_sweep(tmp_path / "controlled", range(42, 52), **{"attribution.controls": CONTROLS}))
    conclusions = make_tables(sweep)[1]
    (sentence,) = [line for line in conclusions if line.startswith("Test: ") and "control" in line]
    assert "Saliency (" in sentence
    assert "Grad-CAM" not in sentence
    assert "the best control without evidence, Center (" in sentence
