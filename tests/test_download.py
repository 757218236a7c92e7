from contextlib import contextmanager

import pytest

from tests.mirror import CONTENT
from xairank import download
from xairank.download import Mirror, UnreachableError, fetch, fetch_first
from xairank.errors import UserError
from xairank.progress import Monitor


class Recorder(Monitor):
    """Keeps what is reported: messages, and each bar's name, total, bytes there already and bytes added."""

    def __init__(self):
        self.messages, self.bars = [], []

    def message(self, text):
        self.messages.append(text)

    @contextmanager
    def bar(self, name, total, done):
        added = []
        yield added.append
        self.bars.append((name, total, done, sum(added)))


def get(mirror, mode, path):
    """Fetches without waiting; the pauses that were asked for."""
    pauses = []
    fetch(f"{mirror.address}/{mode}/archive", path, Monitor(), sleep=pauses.append, timeout=0.5)
    return pauses


@pytest.mark.parametrize("mode", ["whole", "breaks", "norange", "changes", "redirects", "busy"])
def test_the_file_is_the_original_and_nothing_else_is_left(mirror, tmp_path, mode):
    get(mirror, mode, tmp_path / "archive")
    assert (tmp_path / "archive").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_only_the_rest_is_asked_for(mirror, tmp_path):
    get(mirror, "breaks", tmp_path / "archive")
    assert mirror.requests == [("breaks", None), ("breaks", f"bytes={len(CONTENT) // 2}-")]


def test_a_later_call_goes_on(mirror, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    with pytest.raises(UnreachableError, match="breaks off"):
        get(mirror, "breaks", tmp_path / "archive")
    assert not (tmp_path / "archive").exists()
    get(mirror, "breaks", tmp_path / "archive")
    assert (tmp_path / "archive").read_bytes() == CONTENT
    assert mirror.requests[-1] == ("breaks", f"bytes={len(CONTENT) // 2}-")


def test_pauses_grow(mirror, tmp_path):
    assert get(mirror, "busy", tmp_path / "archive") == [2, 4]


@pytest.mark.parametrize(
    ("mode", "reason", "requests"),
    [("missing", "answered 404", 1), ("page", "answered a web page", 4), ("stalls", "breaks off|does not answer", 4)],
)
def test_what_cannot_be_had_is_told(mirror, tmp_path, mode, reason, requests):
    with pytest.raises(UnreachableError, match=reason):
        get(mirror, mode, tmp_path / "archive")
    assert len(mirror.requests) == requests
    assert not (tmp_path / "archive").exists()


def test_a_whole_file_that_never_got_its_name_is_downloaded_again(mirror, tmp_path):
    (tmp_path / "archive.part").write_bytes(CONTENT)
    (tmp_path / "archive.part.etag").write_text('"one"')
    get(mirror, "complete", tmp_path / "archive")
    assert (tmp_path / "archive").read_bytes() == CONTENT
    assert mirror.requests == [("complete", f"bytes={len(CONTENT)}-"), ("complete", None)]


def test_progress_and_repeated_attempts_are_reported(mirror, tmp_path):
    recorder = Recorder()
    fetch(f"{mirror.address}/breaks/archive", tmp_path / "archive", recorder, sleep=lambda _: None, timeout=0.5)
    assert recorder.messages == ["archive: cannot be reached or breaks off; trying again in 2 s"]
    assert recorder.bars[-1] == ("archive", len(CONTENT), len(CONTENT) // 2, len(CONTENT) // 2)


def test_the_first_mirror_that_gives_the_file_is_taken(mirror, tmp_path):
    mirrors = [Mirror(f"{mirror.address}/{mode}/x", tmp_path / mode) for mode in ("missing", "whole", "busy")]
    assert fetch_first(mirrors, Monitor()) == tmp_path / "whole"
    assert (tmp_path / "whole").read_bytes() == CONTENT
    assert [mode for mode, _ in mirror.requests] == ["missing", "whole"]


def test_without_a_mirror_every_reason_is_given(mirror, tmp_path):
    host = mirror.address.removeprefix("http://")
    with pytest.raises(UnreachableError) as caught:
        fetch_first([Mirror(f"{mirror.address}/missing/x", tmp_path / name) for name in "ab"], Monitor())
    assert str(caught.value) == f"a from {host}: answered 404; b from {host}: answered 404"


def test_a_place_that_cannot_be_written_is_named(mirror, tmp_path):
    (tmp_path / "x.part").mkdir()
    with pytest.raises(UserError, match="x: cannot be written"):
        fetch_first([Mirror(f"{mirror.address}/whole/x", tmp_path / "x")], Monitor())
