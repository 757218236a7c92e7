"""A real HTTP server on loopback that does what mirrors of large files do."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 4000  # a megabyte


class Mirror(BaseHTTPRequestHandler):
    """Answers by the path: /MODE/... with the server's content."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        mode = self.path.split("/")[1]
        self.server.requests.append((mode, "HEAD"))
        if mode == "stalls":
            self.server.released.wait(10)
        self.send_response(404 if mode == "missing" else 302)
        self.send_header("Content-Length", "0")
        self.end_headers()

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
        """Nothing follows the end."""
        self.send_error(416) if self.range_start() else self.send(200, self.server.content)

    def answer_norange(self, seen):
        """Breaks off once, and knows no ranges."""
        self.send(200, self.server.content, sent=len(self.server.content) // 2 if seen == 1 else None)

    def answer_changes(self, seen):
        """Breaks off once; then it is another file, as If-Range finds out."""
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


@contextmanager
def serving() -> Iterator[ThreadingHTTPServer]:
    """The server, with its ``address``, the ``content`` it gives and the ``requests`` it got."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    server.daemon_threads = True
    server.requests, server.content, server.released = [], CONTENT, threading.Event()
    server.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
