"""The downloader against a real HTTP server on loopback that does what mirrors do."""

import hashlib
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.conftest import write_category
from xairank.data import download, manifest
from xairank.data.download import Archive, UnreachableError, download_category, fetch
from xairank.errors import UserError

CONTENT = bytes(range(256)) * 4000  # a megabyte


class Mirror(BaseHTTPRequestHandler):
    """Answers by the path: /MODE/... with the server's content."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        mode = self.path.split("/")[1]
        self.server.requests.append((mode, self.headers.get("Range")))
        seen = sum(asked == mode for asked, _ in self.server.requests)
        getattr(self, f"answer_{mode}")(seen)

    def answer_whole(self, seen):
        self.send(200, self.server.content)

    def answer_breaks(self, seen):
        """Breaks off in the middle the first time, and continues where it is asked to."""
        start = self.range_start()
        if seen == 1:
            self.send(200, self.server.content, sent=len(self.server.content) // 2)
        elif start:
            self.send(206, self.server.content[start:])
        else:
            self.send(200, self.server.content)

    def answer_complete(self, seen):
        """There is nothing behind the end."""
        self.send_error(416) if self.range_start() else self.send(200, self.server.content)

    def answer_norange(self, seen):
        """Breaks off once, and knows no ranges."""
        self.send(200, self.server.content, sent=len(self.server.content) // 2 if seen == 1 else None)

    def answer_changes(self, seen):
        """Breaks off once; then it is another file, which If-Range tells."""
        if seen == 1:
            self.send(200, b"old" * 1000, sent=2000, tag='"old"')
        else:
            assert self.headers["If-Range"] == '"old"'
            self.send(200, self.server.content, tag='"new"')

    def answer_stalls(self, seen):
        self.send(200, self.server.content, sent=1000, close=False)
        self.server.released.wait(10)

    def answer_redirects(self, seen):
        self.send_response(302)
        self.send_header("Location", "/whole/archive")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def answer_missing(self, seen):
        self.send_error(404)

    def answer_busy(self, seen):
        self.send_error(503) if seen < 3 else self.send(200, self.server.content)

    def answer_page(self, seen):
        self.send(200, b"<html>moved</html>", kind="text/html; charset=utf-8")

    def range_start(self):
        return int(self.headers["Range"].removeprefix("bytes=").rstrip("-")) if "Range" in self.headers else 0

    def send(self, status, content, *, sent=None, tag='"one"', kind="application/x-xz", close=True):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", kind)
        self.send_header("ETag", tag)
        self.end_headers()
        self.wfile.write(content[:sent])
        self.wfile.flush()
        if close and sent is not None:
            self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def mirror(monkeypatch):
    monkeypatch.setattr(download, "CHUNK", 1000)  # what was read of a chunk that breaks off is lost
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    server.daemon_threads = True
    server.requests, server.content, server.released = [], CONTENT, threading.Event()
    server.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


def get(mirror, mode, path):
    """Fetches without waiting; the pauses that were asked for."""
    pauses = []
    fetch(f"{mirror.address}/{mode}/archive", path, sleep=pauses.append, timeout=0.5)
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


@pytest.fixture
def archive(tmp_path):
    """A packed category, like MVTec's, and another category beside it."""
    path = tmp_path / "packed.tar.xz"
    with tarfile.open(path, "w:xz") as packed:
        for name in ("nuts", "bolts"):
            packed.add(write_category(tmp_path / "source" / name, good=6, defects=3), name)
        readme = tmp_path / "readme.txt"
        readme.write_text("hello")
        packed.add(readme, "nuts/readme.txt")
    return path


@pytest.fixture
def root(tmp_path, monkeypatch, mirror, archive):
    """A data folder whose archive is on the mirror."""
    mirror.content = archive.read_bytes()
    known = Archive("all.tar.xz", (f"{mirror.address}/missing/a", f"{mirror.address}/whole/b"))
    known = known._replace(sha256=hashlib.sha256(mirror.content).hexdigest())
    monkeypatch.setattr(download, "FULL", known)
    monkeypatch.setattr(download, "CATEGORIES", ("nuts", "bolts"))
    return tmp_path / "data"


def test_the_next_mirror_gives_the_category_and_no_other(root, mirror, tmp_path):
    folder = download_category(root, "nuts")
    assert [mode for mode, _ in mirror.requests] == ["missing", "whole"]
    assert sorted(path.name for path in root.iterdir() if path.suffix != ".lock") == ["all.tar.xz", "nuts"]
    assert sorted(path.name for path in folder.iterdir()) == ["ground_truth", "manifest.csv", "test", "train"]
    for path in (tmp_path / "source" / "nuts").rglob("*.png"):
        assert (folder / path.relative_to(tmp_path / "source" / "nuts")).read_bytes() == path.read_bytes()


def test_an_archive_placed_by_hand_is_taken_without_the_network(root, mirror, archive):
    root.mkdir()
    archive.rename(root / "all.tar.xz")
    assert (download_category(root, "bolts") / "test" / "crack" / "000.png").is_file()
    assert mirror.requests == []


def test_an_archive_of_another_hash_is_named_and_kept(root):
    root.mkdir()
    (root / "all.tar.xz").write_bytes(b"something else")
    with pytest.raises(UserError, match=rf"all.tar.xz: has SHA-256 {hashlib.sha256(b'something else').hexdigest()}"):
        download_category(root, "nuts")
    assert [path.name for path in root.iterdir() if path.suffix != ".lock"] == ["all.tar.xz"]


def test_a_category_with_other_files_than_the_original_is_not_left(root, monkeypatch):
    monkeypatch.setattr(manifest, "ORIGINALS", {"nuts": {"test/crack/000.png": "another", "test/crack/900.png": "x"}})
    for _ in range(2):  # nor taken by the next attempt
        with pytest.raises(UserError, match=r"all.tar.xz: is not the original archive \(2 files differ\)"):
            download_category(root, "nuts")
        assert not (root / "nuts").exists()


def test_a_category_that_does_not_exist_costs_no_download(root, mirror):
    with pytest.raises(UserError, match="Nuts: no such category of MVTec AD; did you mean nuts"):
        download_category(root, "Nuts")
    assert mirror.requests == []
    assert not root.exists()


def test_two_at_once_get_it_once(root, mirror):
    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(lambda _: download_category(root, "nuts"), range(2)))
    assert folders == [root / "nuts"] * 2
    assert [mode for mode, _ in mirror.requests] == ["missing", "whole"]


def test_a_whole_file_that_never_got_its_name_is_begun_anew(mirror, tmp_path):
    (tmp_path / "archive.part").write_bytes(CONTENT)
    (tmp_path / "archive.part.etag").write_text('"one"')
    get(mirror, "complete", tmp_path / "archive")
    assert (tmp_path / "archive").read_bytes() == CONTENT
    assert mirror.requests == [("complete", f"bytes={len(CONTENT)}-"), ("complete", None)]


def test_where_no_mirror_gives_it_one_message_says_what_to_do(root, mirror, monkeypatch):
    monkeypatch.setattr(download, "FULL", Archive("all.tar.xz", (f"{mirror.address}/missing/a",)))
    with pytest.raises(UserError) as caught:
        download_category(root, "nuts")
    message = str(caught.value)
    for part in ("answered 404", download.PAGE, f"put it into {root}", f"download category=nuts root={root}"):
        assert part in message
