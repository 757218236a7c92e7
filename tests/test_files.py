import os
import subprocess
import sys

import pytest

from xairank.files import atomic, remove_leftovers, write_text


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole_and_alone(tmp_path):
    path = tmp_path / "new" / "table.csv"
    with atomic(path) as temporary:
        assert temporary.suffix == ".csv"
        temporary.write_text("half")
        assert not path.exists()
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert names(tmp_path / "new") == ["table.csv"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "table.csv"
    write_text(path, "old")

    def fail():
        with atomic(path) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["table.csv"]


def test_text_is_utf_8(tmp_path):
    write_text(tmp_path / "a.txt", "Größe 日本")
    assert (tmp_path / "a.txt").read_bytes().decode("utf-8") == "Größe 日本"


def test_leftovers_of_dead_processes_go_and_what_lives_stays(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    dead, alive = process.pid, os.getppid()
    for name in (f".scores.{dead}.part.parquet", f".scores.{alive}.part.parquet", ".hidden", "a.part", ".a.b.part"):
        (tmp_path / name).write_text("half")
    (tmp_path / f".nuts.{dead}.part").mkdir()
    (tmp_path / f".nuts.{dead}.part" / "000.png").write_text("half")
    remove_leftovers(tmp_path)
    assert names(tmp_path) == sorted([f".scores.{alive}.part.parquet", ".hidden", "a.part", ".a.b.part"])
