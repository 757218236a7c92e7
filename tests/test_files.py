import errno
import os
import subprocess
import sys

import pytest

from xairank.errors import UserError
from xairank.files import atomic, expand_user, remove_leftovers, temporary_beside, write_text


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
    here = temporary_beside(tmp_path / "x").name.split(".")[2].partition("-")[0]
    kept = [f".scores.{here}-{alive}.part.parquet", ".hidden", "a.part", ".a.b.part", ".mine.2023.part.txt"]
    kept += [f".elsewhere.01234567-{dead}.part"]
    for name in [*kept, f".scores.{here}-{dead}.part.parquet", f".old.01234567-{alive}.part"]:
        (tmp_path / name).write_text("half")
    os.utime(tmp_path / f".old.01234567-{alive}.part", (0, 0))
    (tmp_path / f".nuts.{here}-{dead}.part").mkdir()
    (tmp_path / f".nuts.{here}-{dead}.part" / "000.png").write_text("half")
    remove_leftovers(tmp_path)
    assert names(tmp_path) == sorted(kept)


def test_what_is_written_names_this_process(tmp_path):
    with atomic(tmp_path / "table.csv") as temporary:
        temporary.write_text("half")
        remove_leftovers(tmp_path)
        assert not temporary.exists()  # a killed process had the number of this one
        temporary.write_text("whole")
    assert names(tmp_path) == ["table.csv"]


def test_no_such_user():
    with pytest.raises(UserError, match=r"^~nobody-here/x: there is no such user"):
        expand_user("~nobody-here/x")


def test_the_content_is_on_the_disk_before_the_name_and_the_name_before_the_end(tmp_path, monkeypatch):
    done, path = [], tmp_path / "run.json"
    monkeypatch.setattr(
        os, "fsync", lambda opened: done.append((os.readlink(f"/proc/self/fd/{opened}"), path.exists()))
    )
    write_text(path, "whole")
    (first, before), (second, after) = done
    assert first.startswith(str(tmp_path / ".run."))
    assert (before, second, after) == (False, str(tmp_path), True)


@pytest.mark.parametrize("named", [True, False])
def test_what_cannot_be_written_is_called_by_its_own_name(tmp_path, named):
    path = tmp_path / "table.csv"

    def fail():
        with atomic(path) as temporary:
            temporary.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device", *([str(temporary)] if named else []))

    with pytest.raises(OSError, match="No space left") as caught:
        fail()
    assert caught.value.filename == str(path)
    assert not list(tmp_path.iterdir())
