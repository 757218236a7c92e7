"""Images that belong to no data set: files, folders and globs, each with a key, and with its mask where there is one.

A key is the image's path without suffix, below the folder that holds everything that was asked for: images of two
folders keep the folders' names, so that their files do not collide.
"""

import glob
import itertools
import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from xairank.data.faults import Faults
from xairank.data.files import IMAGE_SUFFIXES
from xairank.data.mvtec import index_category
from xairank.errors import UserError
from xairank.files import expand_user

_WILD = frozenset("*?[")


class LooseImage(NamedTuple):
    """An image, the key it goes by, and its mask; None where it has none."""

    key: str
    image: Path
    mask: Path | None = None


class _Entry(NamedTuple):
    """What one entry of a list gives: its images, and the folder that their keys are relative to."""

    folder: Path
    images: list[Path]


def find_images(given: Sequence[str], masks: str | None = None, without: Path | None = None) -> list[LooseImage]:
    """Finds images, and their masks.

    A category in MVTec AD layout, given alone, is read as a data set is: its keys are the same, its masks are found.

    Args:
        given: Files, folders (with all in them) and globs. What is found twice is taken once.
        masks: A folder with ``<key>.png`` or ``<key>_mask.png``, with the suffix of any image; or, for a single image,
            a file. A file that is the mask of an image is no image.
        without: A folder whose images are not looked at: what an earlier call wrote.

    Returns:
        The images by key, in order.

    Raises:
        UserError: There is no such file or folder, none holds an image, two images have one key, or no mask is found.
    """
    places = [expand_user(one) for one in given]
    for place in filter(_is_category, places):
        if len(places) == 1 and masks is None:
            return _from_category(place)
        raise UserError(
            f"images={place}: is a category with masks in it, which are taken; give it alone, without masks=..., or "
            f"give {place / 'test'}"
        )
    entries = [_find(place, without) for place in places]
    base = Path(os.path.commonpath([os.path.abspath(entry.folder) for entry in entries]))
    found = dict.fromkeys(Path(os.path.normpath(path)) for entry in entries for path in entry.images)
    keyed = _keyed(base, list(found))
    if masks is None:
        return [LooseImage(key, keyed[key]) for key in sorted(keyed)]
    return _with_masks(keyed, expand_user(masks))


def _is_category(place: Path) -> bool:
    return (place / "test").is_dir() and (place / "ground_truth").is_dir()


def _from_category(place: Path) -> list[LooseImage]:
    faults = Faults(f"python -m xairank.data check root={place.parent} category={place.name}")
    table = index_category(place.parent, place.name, faults)
    faults.stop()
    rows = zip(table["sample"], table["image"], table["mask"], strict=True)
    return sorted(LooseImage(key, image, mask) for key, image, mask in rows)


def _find(place: Path, without: Path | None) -> _Entry:
    """The images of one entry."""
    if place.is_dir():
        images = _images_in(place, without)
        if not images:
            raise UserError(f"images={place}: no image in this folder; expected {_suffixes()}")
        return _Entry(place, images)
    if place.exists():
        return _Entry(place.parent, [place])
    if not _WILD & set(str(place)):
        reason = "is a broken link" if place.is_symlink() else "no such file or folder"
        raise UserError(f"images={place}: {reason}; expected an image, a folder of images, or a glob such as '*.png'")
    images = []
    for path in sorted(map(Path, glob.glob(str(place), recursive=True))):
        if path.is_dir():
            images += _images_in(path, without)
        elif _is_image(path, without):
            images.append(path)
    if not images:
        raise UserError(f"images={place}: no image matches; expected {_suffixes()}, and the glob in quotes")
    return _Entry(Path(*itertools.takewhile(lambda part: not _WILD & set(part), place.parts)), images)


def _images_in(folder: Path, without: Path | None) -> list[Path]:
    """All images in a folder and its subfolders, without what is hidden."""
    found = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and _is_image(path, without):
            found.append(path)
    return found


def _is_image(path: Path, without: Path | None) -> bool:
    inside = without is not None and path.absolute().is_relative_to(without.absolute())
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir() and not inside


def _keyed(base: Path, images: list[Path]) -> dict[str, Path]:
    keyed: dict[str, Path] = {}
    for path in images:
        relative = Path(os.path.relpath(path, base)).with_suffix("").as_posix()
        key = unicodedata.normalize("NFC", relative)  # archives of another system may have decomposed letters
        other = keyed.setdefault(key, path)
        if other != path:
            raise UserError(f"{path}: has the same name as {other}, but for the suffix; rename or remove one of them")
    return keyed


def _with_masks(images: dict[str, Path], masks: Path) -> list[LooseImage]:
    if masks.is_file():
        if len(images) > 1:
            raise UserError(f"masks={masks}: one mask for {len(images)} images; expected a folder with a mask for each")
        return [LooseImage(key, path, masks) for key, path in images.items()]
    if not masks.is_dir():
        raise UserError(f"masks={masks}: no such file or folder; expected the mask of the image, or a folder of masks")
    there: dict[str, list[Path]] = {}
    for path in _images_in(masks, None):
        name = unicodedata.normalize("NFC", path.relative_to(masks).with_suffix("").as_posix())
        there.setdefault(name, []).append(path)
    found = {key: _mask_of(key, path, there) for key, path in images.items()}
    taken = {mask.resolve() for mask in found.values() if mask}
    paired = [LooseImage(key, images[key], found[key]) for key in sorted(images) if images[key].resolve() not in taken]
    if not any(one.mask for one in paired):
        key = min(images)
        raise UserError(
            f"masks={masks}: holds no mask of any image; expected, for {images[key]}, {masks / key}.png or "
            f"{masks / key}_mask.png"
        )
    return paired


def _mask_of(key: str, image: Path, there: dict[str, list[Path]]) -> Path | None:
    candidates = [path for name in (key, f"{key}_mask") for path in there.get(name, [])]
    masks = [path for path in candidates if path.resolve() != image.resolve()]
    if len(masks) > 1:
        raise UserError(f"{masks[1]}: a second mask beside {masks[0].name} for {image}; remove one of them")
    return masks[0] if masks else None


def _suffixes() -> str:
    return ", ".join(sorted(IMAGE_SUFFIXES))
