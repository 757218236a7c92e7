import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs_fixture import write_fake_sweep
from xairank.figures.__main__ import main


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["figures", *arguments])
    main()


def test_writes_and_lists_every_figure_in_every_format(tmp_path, monkeypatch, capsys):
    write_fake_sweep(tmp_path / "paper", seeds=(42,), n_images=8)
    run(monkeypatch, "name=paper", f"folder={tmp_path}")
    output = capsys.readouterr().out
    files = sorted((tmp_path / "paper" / "figures").iterdir())
    assert sorted(Path(line) for line in output.splitlines() if line.endswith((".pdf", ".svg", ".png"))) == files
    assert {file.suffix for file in files} == {".pdf", ".svg", ".png"}
    assert len(files) == 3 * 12
    starts = {".pdf": b"%PDF", ".svg": b"<?xml", ".png": b"\x89PNG"}
    assert all(file.read_bytes().startswith(starts[file.suffix]) for file in files)
    assert "Left out Figures 3 and 6" in output
    assert "attribution.keep_maps=true" in output


def test_formats_are_those_asked_for(sweep_folder, tmp_path, monkeypatch, capsys):
    sample = "crack/000"
    (tmp_path / "paper").symlink_to(sweep_folder)
    run(monkeypatch, "name=paper", f"folder={tmp_path}", "formats=svg", f"sample={sample}")
    lines = capsys.readouterr().out.split()
    assert f"{tmp_path}/paper/figures/figure6_crack_000.svg" in lines
    assert not [line for line in lines if line.endswith((".pdf", ".png"))]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["nam=paper"], "nam: no such key; did you mean name?"), (["name=nothing"], "nothing: no such sweep")],
)
def test_a_mistake_is_one_line_and_status_2(tmp_path, monkeypatch, capsys, arguments, message):
    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, f"folder={tmp_path}", *arguments)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_help_tells_every_key(monkeypatch, capsys):
    with pytest.raises(SystemExit, match="0"):
        run(monkeypatch, "--help")
    output = capsys.readouterr().out
    for key in ("name=", "folder=", "sample=", "split=", "seed=", "formats="):
        assert key in output


def test_no_torch():
    code = "import sys, xairank.figures.__main__, xairank.figures.catalog; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
