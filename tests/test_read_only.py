"""A folder that nothing can be written into: a line that names it, before anything is computed or drawn for long."""

import os
from importlib import import_module
from pathlib import Path

import pytest

from tests.runs_fixture import write_fake_sweep
from tests.training import command

OF_THE_SYSTEM = Path("/sys/kernel")  # where not even root can make a file


@pytest.fixture
def read_only(tmp_path):
    """A folder that cannot be written, also by root."""
    if os.geteuid() == 0:
        if not OF_THE_SYSTEM.is_dir():
            pytest.skip("root can write everywhere here")
        return OF_THE_SYSTEM
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    return folder


def test_a_run_is_not_begun(run, tmp_path, read_only, monkeypatch):
    (tmp_path / "multirun").symlink_to(read_only)
    monkeypatch.setattr("xairank.experiment.run.run_experiment", lambda folder: pytest.fail("trains all the same"))
    status, out, err = run()
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "xairank: error: multirun/test/" in err
    assert "cannot write the folder" in err


@pytest.mark.parametrize("name", ["tables", "figures", "report"])
def test_what_is_made_of_a_sweep_has_no_place(tmp_path, monkeypatch, capsys, read_only, name):
    sweep = write_fake_sweep(tmp_path / "paper", n_images=8)
    (sweep / name).symlink_to(read_only)
    main = import_module(f"xairank.{name}.__main__").main
    status, _, err = command(monkeypatch, capsys, "name=paper", f"folder={tmp_path}", main=main)
    assert (status, err.count("\n")) == (2, 1)
    assert f"xairank: error: {sweep / name}" in err
    assert "check its permissions" in err
