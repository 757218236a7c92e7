"""Two processes at one place, and processes that are killed while they have it."""

import contextlib
import errno
import os
import platform
import signal

import pytest
from filelock import FileLock

from tests.test_config import composed
from xairank.errors import UserError
from xairank.experiment.jobs import Job
from xairank.locking import busy, held
from xairank.runs.folder import RunFolder


@pytest.fixture
def other():
    """A function that lets another process hold a lock; returns its number. It lives until it is killed."""
    children = []

    def hold(lock, place):
        ready, tell = os.pipe()
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException), held(lock, place):
                os.write(tell, b"1")
                signal.pause()
            os._exit(1)
        children.append(child)
        assert os.read(ready, 1) == b"1"
        return child

    yield hold
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            kill(child)


def kill(child):
    os.kill(child, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "multirun" / "test" / "run", composed("data=synthetic"))


def test_who_comes_second_is_told_which_process_and_what_to_do(folder, other):
    process = other(folder.path / ".lock", folder.path)
    told = f"{folder.path}: process {process} on {platform.node()} is writing it; wait until it has ended, or end it"
    with pytest.raises(UserError, match=f"^{told}"), folder.held():
        pytest.fail("both have it")
    assert folder.busy().startswith(told)
    assert Job(("seed=1",), folder).failure == folder.busy()
    folder.fail("of this process")
    assert sorted(path.name for path in folder.path.iterdir()) == [".lock", ".lock.owner"]


def test_a_killed_process_leaves_no_lock(folder, other):
    kill(other(folder.path / ".lock", folder.path))
    assert folder.path.is_dir()
    assert not folder.busy()
    with folder.held():
        folder.claim()
    assert [path.name for path in folder.path.iterdir()] == ["config.yaml"]


def test_a_place_is_free_afterwards_also_after_a_failure(tmp_path):
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), held(tmp_path / ".lock", tmp_path):
            raise ZeroDivisionError
        assert not busy(tmp_path / ".lock", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_in_which_nothing_was_begun_is_gone(folder, tmp_path):
    with folder.held():
        assert folder.path.is_dir()
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match=r"file/run: cannot write the folder"),
        held(tmp_path / "file/run/.lock", tmp_path / "file/run"),
    ):
        pass


def test_without_locks_the_user_is_told_and_the_work_goes_on(tmp_path, monkeypatch, capsys):
    def acquire(self, **_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(FileLock, "acquire", acquire)
    with held(tmp_path / ".lock", tmp_path):
        pass
    assert capsys.readouterr().out.endswith("its file system has no locks; start no other process that writes it.\n")


def test_a_complete_folder_is_tidied_of_what_a_kill_left(folder):
    folder.claim()
    folder.finish({})
    folder.parts.mkdir()
    for name in ("explained/000000.parquet", ".lock", ".lock.owner", "error.txt"):
        (folder.path / name).write_text("left")
    folder.tidy()
    assert sorted(path.name for path in folder.path.iterdir()) == ["config.yaml", "run.json"]
