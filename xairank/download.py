"""Downloads that resume where they broke off, from the first of several mirrors that answers."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import requests

from xairank.errors import UserError
from xairank.progress import Monitor

ATTEMPTS = 4  # an address; each waits twice as long as the one before
TIMEOUT = 30  # seconds without a byte
CHUNK = 2**20


class UnreachableError(Exception):
    """No address gives the file, with the reasons in words."""


class Mirror(NamedTuple):
    """Where a file may be, and where it is saved."""

    address: str
    path: Path


def fetch_first(mirrors: Iterable[Mirror], monitor: Monitor) -> Path:
    """Downloads from the first mirror that gives the file.

    Returns:
        The path of that mirror.

    Raises:
        UnreachableError: No mirror gives it; has the reason of each.
        UserError: The file cannot be written.
    """
    reasons = []
    for address, path in mirrors:
        try:
            fetch(address, path, monitor)
        except UnreachableError as error:
            reasons.append(f"{path.name} from {urlsplit(address).netloc}: {error}")
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror}); free disk space") from None
        else:
            return path
    raise UnreachableError("; ".join(reasons))


def fetch(
    address: str,
    path: Path,
    monitor: Monitor,
    *,
    sleep: Callable[[float], None] = time.sleep,
    timeout: float = TIMEOUT,
) -> None:
    """Downloads into ``path`` through ``path.part``, which a later call continues.

    Args:
        address: Of the file.
        path: Where to save it.
        monitor: Shows progress and repeated attempts.
        sleep: Waits between attempts.
        timeout: Seconds without a byte before an attempt counts as failed.

    Raises:
        UnreachableError: The address does not answer, or answers something else, after several attempts.
    """
    part = path.with_name(f"{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            monitor.message(f"{path.name}: {reason}; trying again in {2**attempt} s")
            sleep(2.0**attempt)
        try:
            _continue(address, part, monitor, timeout)
        except requests.RequestException as error:
            reason = _in_words(error)
            if _status(error) == requests.codes.requested_range_not_satisfiable:
                part.unlink(missing_ok=True)  # already as long as the whole, but nothing says that it is the same file
                continue
            if 400 <= _status(error) < 500:
                break  # asking again would not change the answer
            continue
        part.replace(path)
        return
    raise UnreachableError(reason)


def _continue(address: str, part: Path, monitor: Monitor, timeout: float) -> None:
    """Requests the missing bytes and appends them; starts over if the server cannot resume or the file changed."""
    done = part.stat().st_size if part.is_file() else 0
    mark = part.with_name(f"{part.name}.etag")
    headers = {"Accept-Encoding": "identity"}
    if done and mark.is_file():
        headers |= {"Range": f"bytes={done}-", "If-Range": mark.read_text(encoding="utf-8")}
    with requests.get(address, headers=headers, stream=True, timeout=timeout) as answer:
        answer.raise_for_status()
        if "text/html" in answer.headers.get("Content-Type", ""):
            raise requests.RequestException("answered a web page, not the file")
        continued = answer.status_code == requests.codes.partial_content
        done = done if continued else 0
        if not continued and (tag := answer.headers.get("ETag") or answer.headers.get("Last-Modified")):
            mark.write_text(tag, encoding="utf-8")
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length else None
        with (
            part.open("ab" if continued else "wb") as file,
            monitor.bar(part.name.removesuffix(".part"), total, done) as advance,
        ):
            for chunk in answer.iter_content(CHUNK):
                file.write(chunk)
                advance(len(chunk))
    if total is not None and part.stat().st_size != total:
        raise requests.ConnectionError("broke off")
    mark.unlink(missing_ok=True)


def _status(error: requests.RequestException) -> int:
    """The HTTP status of an error response; 0 where there was no response."""
    return error.response.status_code if isinstance(error, requests.HTTPError) and error.response is not None else 0


def _in_words(error: requests.RequestException) -> str:
    if status := _status(error):
        return f"answered {status}"
    if isinstance(error, requests.Timeout):
        return "does not answer"
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return "cannot be reached or breaks off"
    return str(error)
