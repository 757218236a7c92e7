import re
import sys
from pathlib import Path

import pytest

import xairank.data
from tests.mirror import CONTENT
from xairank.data import manifest
from xairank.data.__main__ import main, parse_place
from xairank.data.example import write_example
from xairank.data.faults import Faults
from xairank.data.folder import index_folders
from xairank.data.manifest import write_manifest
from xairank.data.synthetic import SyntheticCategory
from xairank.errors import UserError
from xairank.files import sha256

NAMES = ["download", "verify", "check", "weights", "example"]


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


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_names_every_subcommand(run, arguments):
    status, out, err = run(*arguments)
    assert (status, err) == (0, "")
    assert all(f"xairank.data {name} " in out for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("arguments", [["--help"], ["category=nuts", "-h"], ["nonsense", "--help"]])
def test_each_subcommand_has_its_own_help(run, name, arguments):
    status, out, err = run(name, *arguments)
    assert (status, err) == (0, "")
    assert [other for other in NAMES if f"xairank.data {other} " in out] == [name]


def test_verify(run, category):
    place = (f"root={category.parent}", "category=nuts")
    write_manifest(category)
    status, out, _ = run("verify", *place)
    assert status == 0
    assert "every file is unchanged" in "".join(out.split("\n"))
    assert "no manifest" not in out
    for name in ("000", "001"):
        (category / f"test/crack/{name}.png").unlink()
    status, _, err = run("verify", *place)
    assert status == 2
    assert err.count("is missing") == err.count("\n") == 2


def test_verify_says_how_little_it_knows_without_a_manifest(run, category, monkeypatch):
    known = {"test/crack/000.png": sha256(category / "test/crack/000.png")}
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
        (["verfy"], "verfy: no such command; expected download, verify, check, weights or example"),
        (["verify", "categry=nuts"], "categry: no such key; did you mean category?"),
        (["download", "category"], "category: found no '='"),
        (["download", "category="], "category=: found no value"),
        (["weights", "encodr=x"], "encodr: no such key; did you mean encoder?"),
        (["weights", "encoder=resnet51"], "model.encoder=resnet51: not a model of timm"),
        (["check", "root=elsewhere"], "data.root=elsewhere: no such folder; get MVTec AD"),
        (["check", "table=t.csv"], "t.csv: no such file"),
        (["verify", "root=elsewhere"], "elsewhere/hazelnut: no such folder; python -m xairank.data download"),
    ],
)
def test_mistakes_are_one_line(run, arguments, message):
    status, _, err = run(*arguments)
    assert status == 2
    assert err.startswith(f"xairank: error: {message}")
    assert err.count("\n") == 1


def test_the_defaults_are_hazelnut_in_data_mvtec():
    root, category = parse_place([], "")
    assert (root.as_posix(), category) == ("data/mvtec", "hazelnut")
    with pytest.raises(UserError):
        parse_place(["root="], "")


def test_weights_are_downloaded_once(run, mirror, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", f"{mirror.address}/whole")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "torch"))
    path = "data/weights/resnet10t.c3_in1k.safetensors"
    status, out, _ = run("weights", "encoder=resnet10t")
    assert (status, out.splitlines()[-1]) == (0, f"Ready: {path}")
    assert (tmp_path / path).read_bytes() == CONTENT
    status, out, _ = run("weights", "encoder=resnet10t")
    assert (status, out) == (0, f"Already there: {path}\n")
    status, out, _ = run("weights", "encoder=resnet10t", "file=stick/r.safetensors")
    assert (status, out.splitlines()[-1]) == (0, "Ready: stick/r.safetensors")
    assert len(mirror.requests) == 2


def test_only_commands_print():
    folder = Path(xairank.data.__file__).parent
    printing = re.compile(r"xairank\.console|\bprint\(|from rich")
    found = {path.name for path in folder.rglob("*.py") if printing.search(path.read_text(encoding="utf-8"))}
    assert found == {"__main__.py", "check.py"}


def test_the_example_is_a_folder_of_images_and_one_of_masks(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_example(tmp_path / "small", SyntheticCategory(good=3, defects={"hole": 2, "print": 1}, image_size=32))
    faults = Faults()
    table = index_folders(tmp_path / "small/images", tmp_path / "small/masks", faults)
    assert faults.messages == []
    assert table["label"].value_counts().to_dict() == {"good": 3, "hole": 2, "print": 1}
    status, _, err = run("example", "folder=small")
    assert status == 2
    assert err == "xairank: error: small: already exists; delete it, or choose another folder=...\n"
    assert [path.name for path in tmp_path.iterdir()] == ["small"]
