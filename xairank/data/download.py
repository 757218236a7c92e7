"""MVTec AD from its mirrors: downloaded, hashed, one category unpacked.

The data set is CC BY-NC-SA 4.0: for research and teaching, not for commercial use.
"""

import difflib
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from xairank.data.archive import extract_category
from xairank.data.manifest import original_faults, write_manifest
from xairank.download import Mirror, UnreachableError, fetch_first
from xairank.errors import UserError
from xairank.files import sha256
from xairank.names import count
from xairank.progress import Monitor

PAGE = "https://www.mvtec.com/company/research/datasets/mvtec-ad"
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


def download_category(root: Path, category: str, monitor: Monitor | None = None) -> Path:
    """Gets a category into ``root/category``, unless it is there: from an archive in ``root``, or from a mirror.

    Of several processes that want the same, one gets it and the others wait for it.

    Args:
        root: The folder of categories.
        category: One of MVTec AD.
        monitor: Shows progress; None shows nothing.

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
        return folder if folder.exists() else _get(root, category, monitor or Monitor())


def _get(root: Path, category: str, monitor: Monitor) -> Path:
    archives = [HAZELNUT, FULL] if category == "hazelnut" else [FULL]
    archive = _placed(root, archives) or _fetched(root, category, archives, monitor)
    path = root / archive.name
    if archive.sha256 and (found := sha256(path)) != archive.sha256:
        raise UserError(
            f"{path}: has SHA-256 {found}, expected {archive.sha256}: damaged or another file; delete it and run again"
        )
    monitor.message(f"Unpacking {category} from {path}")

    def accept(folder: Path) -> None:
        if wrong := original_faults(folder, category):
            raise UserError(f"{path}: is not the original archive ({count(len(wrong), 'file')} differ); delete it")
        write_manifest(folder)

    return extract_category(path, category, root, accept=accept)


def _placed(root: Path, archives: list[Archive]) -> Archive | None:
    """An archive that was put into the root folder by hand or by an earlier download."""
    return next((archive for archive in archives if (root / archive.name).is_file()), None)


def _fetched(root: Path, category: str, archives: list[Archive], monitor: Monitor) -> Archive:
    monitor.message(f"Downloading MVTec AD, {category} (CC BY-NC-SA 4.0, {PAGE})")
    mirrors = [Mirror(address, root / archive.name) for archive in archives for address in archive.addresses]
    try:
        path = fetch_first(mirrors, monitor)
    except UnreachableError as error:
        names = " or ".join(archive.name for archive in archives)
        raise UserError(
            f"no mirror gives MVTec AD ({error}); download {names} from {PAGE}, put it into {root}, and run "
            f"python -m xairank.data download category={category} root={root}"
        ) from None
    return next(archive for archive in archives if archive.name == path.name)
