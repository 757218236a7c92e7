import sys

import pooch
import pytest

from xairank.data import manifest
from xairank.data.__main__ import main, parse_place
from xairank.data.manifest import write_manifest
from xairank.errors import UserError


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs ``python -m xairank.data``: status, output, errors."""

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["data", *arguments])
        status = 0
        try:
            main()
        except SystemExit as exit_:
            status = exit_.code
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return command


@pytest.mark.parametrize("arguments", [[], ["--help"], ["verify", "-h"]])
def test_help(run, arguments):
    status, out, err = run(*arguments)
    assert (status, err) == (0, "")
    assert all(name in out for name in ("download", "verify", "check"))


def test_verify(run, category):
    place = (f"root={category.parent}", "category=nuts")
    write_manifest(category)
    status, out, _ = run("verify", *place)
    assert status == 0
    assert "every file is as it should be" in "".join(out.split("\n"))
    assert "no manifest" not in out
    for name in ("000", "001"):
        (category / f"test/crack/{name}.png").unlink()
    status, _, err = run("verify", *place)
    assert status == 2
    assert err.count("is missing") == err.count("\n") == 2


def test_verify_says_how_little_it_knows_without_a_manifest(run, category, monkeypatch):
    known = {"test/crack/000.png": pooch.file_hash(category / "test/crack/000.png")}
    monkeypatch.setitem(manifest.ORIGINALS, "nuts", known)
    status, out, _ = run("verify", f"root={category.parent}", "category=nuts")
    assert status == 0
    assert "no manifest.csv: only the 1 files whose hashes are known were compared" in "".join(out.split("\n"))


def test_check_is_handed_on(run, category):
    status, out, _ = run("check", f"root={category.parent}", "category=nuts", "image_size=48", "crop=none")
    assert status == 0
    assert "No fault found." in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verfy"], "verfy: no such command; expected download, verify or check"),
        (["verify", "categry=nuts"], "categry: no such key; did you mean category?"),
        (["download", "category"], "category: found no value"),
        (["verify", "root=elsewhere"], "elsewhere/hazelnut: no such folder; python -m xairank.data download"),
    ],
)
def test_mistakes_are_one_line(run, arguments, message):
    status, _, err = run(*arguments)
    assert status == 2
    assert err.startswith(f"xairank: error: {message}")
    assert err.count("\n") == 1


def test_the_defaults_are_hazelnut_in_data_mvtec():
    root, category = parse_place([])
    assert (root.as_posix(), category) == ("data/mvtec", "hazelnut")
    with pytest.raises(UserError):
        parse_place(["root="])
