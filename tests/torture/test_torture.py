"""That torture itself works; how much it takes to be convincing is left to ``make torture``."""

import re
import subprocess
import sys
from pathlib import Path

from tests.torture.found import Found, differences, lost


def test_two_kills_and_a_pair_lose_nothing(tmp_path):
    few = ("--kills", "2", "--pairs", "1", "--commands", "0", "--no-full-disk", "--work", "rank")
    ended = subprocess.run(
        [sys.executable, "-m", "tests.torture", *few, "--report", tmp_path / "report.txt"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = (tmp_path / "report.txt").read_text()
    assert re.search(r"^2 kills in \d sweeps of three seeds, 1 pairs$", report, re.MULTILINE)  # a sweep may end unhurt
    assert "\n0 results lost" in report


def test_what_is_lost_changed_or_left_over_is_found():
    done = {"seed=1/run.json": b"{}", "seed=1/scores.parquet": b"1", "seed=2/metrics.csv": b"epoch\n0\n1\n"}
    changed = {"seed=1/run.json": b"{}", "seed=1/scores.parquet": b"2", "seed=2/metrics.csv": b"epoch\n0\n", "x": b""}
    assert not [*lost(Found(done), Found(done)), *differences(Found(done), Found(done))]
    assert list(lost(Found(done), Found(changed))) == [
        "seed=1/scores.parquet of a complete run is gone or another one",
        "seed=2 had 2 epochs and has 1",
    ]
    assert list(differences(Found(changed), Found(done))) == [
        "left over: x",
        "differs: seed=1/scores.parquet",
        "differs: seed=2/metrics.csv",
    ]
    assert list(differences(Found({}), Found({"seed=1/run.json": b""}))) == ["missing: seed=1/run.json"]
