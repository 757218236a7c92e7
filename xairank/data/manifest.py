"""A category's files with their hashes: written after unpacking, compared by ``python -m xairank.data verify``."""

from pathlib import Path

import pandas as pd

from xairank.data.mvtec import CATEGORY_PARTS
from xairank.errors import UserError
from xairank.files import atomic, sha256

NAME = "manifest.csv"
# SHA-256 of some original files, to compare with where there is no manifest.
ORIGINALS = {
    "hazelnut": {
        "test/crack/000.png": "e26b54282b6b11286760905ca2880af594561b606dfa0643859d6ee6027cf8c2",
        "test/hole/000.png": "b9a1a102db263079fec8bc9836f182253dced9ca178957b7e9bef05cba3312c2",
        "test/print/000.png": "63245ac91c1f83c97e081bbcfde5bb9751b008a994c201d9f18dcd6db3552c87",
        "test/cut/000.png": "901bf3b3ddef6e7d3592b00cfd0f5c512b745ef61e7837ed4e283da2f99c1b8a",
        "train/good/000.png": "5e28a714fa36ef5198c683058b607435b792974cdd23f3e0810b887dbdfe7112",
        "ground_truth/crack/000_mask.png": "299566b57b84b9d466f4f7f50a8210e0bd0ff2a4ac5922f456d00cd9169cfbb4",
    }
}


def write_manifest(category: Path) -> Path:
    """Writes path, size and SHA-256 of every file of a category into its ``manifest.csv``."""
    rows = [
        {"path": path, "size": (category / path).stat().st_size, "sha256": sha256(category / path)}
        for path in _files(category)
    ]
    with atomic(category / NAME) as temporary:
        pd.DataFrame(rows, columns=["path", "size", "sha256"]).to_csv(temporary, index=False)
    return category / NAME


def original_faults(folder: Path, category: str) -> list[str]:
    """What differs from the known originals of a category unpacked into ``folder``, a line a file."""
    return _compare(folder, ORIGINALS.get(category, {}), set(_files(folder)))


def faults(category: Path) -> list[str]:
    """What differs from the manifest and from the known originals, a line a file.

    Raises:
        UserError: There is no such category, or nothing to compare it with.
    """
    if not category.is_dir():
        raise UserError(
            f"{category}: no such folder; python -m xairank.data download category={category.name} "
            f"root={category.parent} gets it"
        )
    expected = _expected(category)
    found = set(_files(category))
    messages = _compare(category, expected, found)
    if (category / NAME).is_file():
        messages += [
            f"{category / path}: does not belong to the data set; move it elsewhere"
            for path in sorted(found - expected.keys())
        ]
    return messages


def _compare(folder: Path, expected: dict[str, str], found: set[str]) -> list[str]:
    messages = [f"{folder / path}: is missing; unpack the archive again" for path in sorted(expected.keys() - found)]
    for path in sorted(expected.keys() & found):
        if sha256(folder / path) != expected[path]:
            messages.append(f"{folder / path}: was changed (another SHA-256); unpack the archive again")
    return messages


def _expected(category: Path) -> dict[str, str]:
    path = category / NAME
    known = ORIGINALS.get(category.name, {})
    if not path.is_file():
        if not known:
            raise UserError(f"{path}: no such file, and no hash of {category.name} is known; nothing to verify with")
        return dict(known)
    try:
        table = pd.read_csv(path, dtype=str)
        return {**dict(zip(table["path"], table["sha256"], strict=True)), **known}
    except (ValueError, KeyError, UnicodeDecodeError):
        raise UserError(f"{path}: is not a manifest; expected the columns path, size, sha256; delete it") from None


def _files(category: Path) -> list[str]:
    """The files of the data set, relative, in order."""
    paths = [path for part in CATEGORY_PARTS for path in (category / part).rglob("*") if path.is_file()]
    return sorted(path.relative_to(category).as_posix() for path in paths)
