"""Tables as files and as text, and the command that writes them."""

import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tests.runs_fixture import write_fake_sweep
from xairank.console import sweep_folder
from xairank.errors import UserError
from xairank.tables.__main__ import USAGE, main
from xairank.tables.table import Table, mean_and_std, p_value, with_interval

WIN_RATES = ["win_rate_train", "win_rate_test"]
NAMES = ["hyperparameters", "performance", *WIN_RATES, "ranking", "statistics", "agreement", "by_defect"]


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


def test_no_ranked_image_still_gives_tables_1_and_2(tmp_path, capsys, monkeypatch):
    folder = write_fake_sweep(tmp_path / "s", [1], 4)
    path = next(folder.iterdir()) / "scores.parquet"
    pd.read_parquet(path).head(0).to_parquet(path)
    run_command(monkeypatch, "name=s", f"folder={tmp_path}")
    assert "No image could be ranked" in capsys.readouterr().out
    assert len(pd.read_csv(folder / "tables" / "performance.csv")) == 8


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
