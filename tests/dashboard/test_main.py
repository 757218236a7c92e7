"""``python -m xairank.dashboard``: what it answers before it serves."""

import importlib
import socket

import pytest

from tests.explaining import call, write_place

main = importlib.import_module("xairank.dashboard.__main__")
OURS = ["model=torchvision", "model.name=shufflenet_v2_x0_5", "model.weights=weights.pth", "model.classes=classes.txt"]


def refused(place, *arguments):
    """The line that a command ends with."""
    status, _, err = call(place, *arguments, module=main)
    assert status == 2
    assert err.startswith("xairank: error: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize("missing", [["panel"], ["plotly"], ["panel", "plotly"]])
def test_a_missing_extra_is_one_line_that_says_what_to_install(tmp_path, monkeypatch, missing):
    found = importlib.util.find_spec
    monkeypatch.setattr(main, "find_spec", lambda name: None if name in missing else found(name))
    line = refused(tmp_path)
    assert f"{' and '.join(missing)}: not installed; the dashboard needs pip install 'xairank[dashboard]'" in line


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "folder=multirun: holds no finished run with a network, and no model=... is given"),
        (["port=0"], "port=0 is not allowed: expected a whole number from 1 to 65535"),
        (["prot=5007"], "prot: no such key; did you mean port?"),
        (["-m", "port=5007"], "-m: python -m xairank.dashboard has no sweep, it shows all runs of its folder"),
        (["model=torchvision"], "model.name: missing; model=torchvision needs it"),
        ([word for word in OURS if "classes" not in word], "model.classes: missing; name the network's outputs"),
        ([*OURS, "device=cuda:99"], "device=cuda:99: this machine has none"),
        ([*OURS, "host=nowhere.invalid", "allow_others=true"], "host=nowhere.invalid: cannot be opened"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, arguments, line):
    pytest.importorskip("panel")
    if any("weights" in word for word in arguments):
        write_place(tmp_path)
    assert line in refused(tmp_path, *arguments)


def test_a_port_that_is_taken_is_told_with_the_next_one(tmp_path):
    pytest.importorskip("panel")
    write_place(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        line = refused(tmp_path, *OURS, "device=cpu", "host=127.0.0.1", f"port={port}")
    assert f"port={port}: is taken, perhaps by another dashboard; choose another with port={port + 1}" in line


def test_only_pages_of_the_own_address_may_connect():
    pytest.importorskip("panel")
    from xairank.dashboard.server import _origins

    assert _origins("localhost", 5006) == ["localhost:5006", "127.0.0.1:5006"]
    everyone = _origins("0.0.0.0", 5006)
    assert f"{socket.gethostname()}:5006" in everyone
    assert "0.0.0.0:5006" not in everyone
    assert not any("*" in origin for origin in everyone)
