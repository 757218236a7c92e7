"""MVTec AD from its mirrors: resumed where it broke off, hashed, one category unpacked.

The data set is CC BY-NC-SA 4.0: for research and teaching, not for commercial use.
"""

import difflib
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pooch
import requests
from filelock import FileLock
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from xairank.console import console
from xairank.data.archive import extract_category
from xairank.data.manifest import original_faults, write_manifest
from xairank.data.notices import counted
from xairank.errors import UserError

PAGE = "https://www.mvtec.com/company/research/datasets/mvtec-ad"
ATTEMPTS = 4  # an address; each waits twice as long as the one before
TIMEOUT = 30  # seconds without a byte
CHUNK = 2**20
CATEGORIES = (
    *("bottle", "cable", "capsule", "carpet", "grid", "hazelnut", "leather", "metal_nut"),
    *("pill", "screw", "tile", "toothbrush", "transistor", "wood", "zipper"),
)


class Archive(NamedTuple):
    """An archive: its file name, where it may be, and its SHA-256 where one is known."""

    name: str
    addresses: tuple[str, ...]
    sha256: str | None = None


FULL = Archive(
    "mvtec_anomaly_detection.tar.xz",
    (
        "https://www.mydrive.ch/shares/150996/b52ecdcbf521176e9db9c731f2304b27/download/420938113-1629960298/"
        "mvtec_anomaly_detection.tar.xz",
    ),
    "cf4313b13603bec67abb49ca959488f7eedce2a9f7795ec54446c649ac98cd3d",
)
HAZELNUT = Archive(
    "hazelnut.tar.xz",
    (
        "https://www.mydrive.ch/shares/150457/51d49f65e84bdc100ff8035d7dd783ea/download/420937545-1629959162/"
        "hazelnut.tar.xz",
    ),
)


class UnreachableError(Exception):
    """An address that does not give the archive, with the reason in words."""


def download_category(root: Path, category: str) -> Path:
    """Gets a category into ``root/category``, unless it is there: from an archive in ``root``, or from a mirror.

    Of several processes that want the same, one gets it and the others wait for it.

    Raises:
        UserError: There is no such category, no mirror gives it, an archive has another hash or cannot be unpacked.
    """
    if category not in CATEGORIES:
        near = difflib.get_close_matches(category.lower(), CATEGORIES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(CATEGORIES)}"
        raise UserError(f"{category}: no such category of MVTec AD; {hint}")
    folder = root / category
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / ".download.lock"):
        return folder if folder.exists() else _get(root, category)


def _get(root: Path, category: str) -> Path:
    archives = [HAZELNUT, FULL] if category == "hazelnut" else [FULL]
    archive, path = _placed(root, archives) or _fetched(root, category, archives)
    if archive.sha256 and (found := pooch.file_hash(path)) != archive.sha256:
        raise UserError(
            f"{path}: has SHA-256 {found}, expected {archive.sha256}: damaged or another one; delete it and start again"
        )
    console.print(f"Unpacking {category} from {path}", highlight=False, soft_wrap=True)

    def accept(folder: Path) -> None:
        if wrong := original_faults(folder, category):
            raise UserError(f"{path}: is not the original archive ({counted(len(wrong), 'file')} differ); delete it")
        write_manifest(folder)

    return extract_category(path, category, root, accept=accept)


def fetch(address: str, path: Path, *, sleep: Callable[[float], None] = time.sleep, timeout: float = TIMEOUT) -> None:
    """Downloads into ``path`` through ``path.part``, which a later call continues.

    Raises:
        UnreachableError: The address does not answer, or answers something else, after several attempts.
    """
    part = path.with_name(f"{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            console.print(f"{reason}; trying again in {2**attempt} s", highlight=False, soft_wrap=True)
            sleep(2.0**attempt)
        try:
            _continue(address, part, timeout)
        except requests.RequestException as error:
            reason = _in_words(error)
            if _status(error) == requests.codes.requested_range_not_satisfiable:
                part.unlink(missing_ok=True)  # as long as the whole, and nothing says that it is the same: begun anew
                continue
            if 400 <= _status(error) < 500:
                break  # asking again would not change the answer
            continue
        part.replace(path)
        return
    raise UnreachableError(reason)


def _placed(root: Path, archives: list[Archive]) -> tuple[Archive, Path] | None:
    """An archive that was put into the root folder by hand or by an earlier download."""
    return next(((archive, root / archive.name) for archive in archives if (root / archive.name).is_file()), None)


def _fetched(root: Path, category: str, archives: list[Archive]) -> tuple[Archive, Path]:
    console.print(f"Downloading MVTec AD, {category} (CC BY-NC-SA 4.0, {PAGE})", highlight=False, soft_wrap=True)
    reasons = []
    for archive in archives:
        for address in archive.addresses:
            try:
                fetch(address, root / archive.name)
            except UnreachableError as error:
                reasons.append(f"{archive.name} from {address.split('/')[2]}: {error}")
            except OSError as error:
                raise UserError(f"{root / archive.name}: cannot be written ({error.strerror}); free the disk") from None
            else:
                return archive, root / archive.name
    names = " or ".join(archive.name for archive in archives)
    raise UserError(
        f"no mirror gives MVTec AD ({'; '.join(reasons)}); download {names} from {PAGE}, put it into {root}, and run "
        f"python -m xairank.data download category={category} root={root}"
    )


def _continue(address: str, part: Path, timeout: float) -> None:
    """Asks for what is missing and appends it; starts anew where the server cannot continue, or the file changed."""
    done = part.stat().st_size if part.is_file() else 0
    mark = part.with_name(f"{part.name}.etag")
    headers = {"Accept-Encoding": "identity"}
    if done and mark.is_file():
        headers |= {"Range": f"bytes={done}-", "If-Range": mark.read_text(encoding="utf-8")}
    with requests.get(address, headers=headers, stream=True, timeout=timeout) as answer:
        answer.raise_for_status()
        if "text/html" in answer.headers.get("Content-Type", ""):
            raise requests.RequestException("answered a web page, not an archive")
        continued = answer.status_code == requests.codes.partial_content
        done = done if continued else 0
        if not continued and (tag := answer.headers.get("ETag") or answer.headers.get("Last-Modified")):
            mark.write_text(tag, encoding="utf-8")
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length else None
        with part.open("ab" if continued else "wb") as file, _progress() as bar:
            task = bar.add_task(part.name.removesuffix(".part"), total=total, completed=done)
            for chunk in answer.iter_content(CHUNK):
                file.write(chunk)
                bar.advance(task, len(chunk))
    if total is not None and part.stat().st_size != total:
        raise requests.ConnectionError("broke off")
    mark.unlink(missing_ok=True)


def _status(error: requests.RequestException) -> int:
    """The HTTP status of an answer that is an error; 0 where there was none."""
    return error.response.status_code if isinstance(error, requests.HTTPError) and error.response is not None else 0


def _in_words(error: requests.RequestException) -> str:
    if status := _status(error):
        return f"answered {status}"
    if isinstance(error, requests.Timeout):
        return "does not answer"
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return "cannot be reached or breaks off"
    return str(error)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, TextColumn("left"), TimeRemainingColumn(), console=console, transient=True)
