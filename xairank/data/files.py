"""Folders of images and of masks; whatever does not belong there is a fault."""

import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from xairank.data.faults import Faults
from xairank.errors import UserError
from xairank.schema import GOOD

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"})


def without_image_suffix(name: str) -> str:
    """A name without the suffix of an image; other dots stay.

    Example:
        >>> without_image_suffix("crack/000.png"), without_image_suffix("crack/part.v2")
        ('crack/000', 'crack/part.v2')
    """
    return name.removesuffix(Path(name).suffix) if Path(name).suffix.lower() in IMAGE_SUFFIXES else name


class Pair(NamedTuple):
    """An image, its name without suffix, and its mask; None where it has none."""

    name: str
    image: Path
    mask: Path | None


def entries(folder: Path, expected: str) -> list[Path]:
    """The entries of a folder, sorted by name, without hidden files.

    Args:
        folder: The folder.
        expected: What should be in it, for the message.

    Raises:
        UserError: It is missing, a file, or not readable.
    """
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except NotADirectoryError:
        raise UserError(f"{folder}: is a file; expected a folder of {expected}") from None
    except FileNotFoundError:
        reason = "is a broken link" if folder.is_symlink() else "no such folder"
        raise UserError(f"{folder}: {reason}; expected {expected} in it") from None
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror}); expected {expected} in it") from None


def class_folders(folder: Path, faults: Faults) -> list[Path]:
    """The subfolders, one a class; an image beside them is a fault."""
    found = entries(folder, "one folder for each class")
    classes = [path for path in found if path.is_dir()]
    for path in found:
        if path not in classes and path.suffix.lower() in IMAGE_SUFFIXES:
            faults.add(f"{path}: outside a class folder; move it into the folder of its class")
    return classes


def images_in(folder: Path, faults: Faults) -> dict[str, Path]:
    """The images of a folder by name without suffix."""
    found = _image_files(folder, "images", faults)
    if not found:
        faults.add(f"{folder}: the class folder is empty; put images in it or delete it")
    images: dict[str, Path] = {}
    for path in found:
        other = images.setdefault(_name(path), path)
        if other != path:
            faults.add(f"{path}: has the same name as {other.name}; rename or remove one of them")
    return images


def masks_in(folder: Path, faults: Faults) -> dict[str, Path]:
    """The masks of a folder by the name of their image: ``NAME.png`` or ``NAME_mask.png`` for ``NAME.jpg``."""
    masks: dict[str, Path] = {}
    for path in _image_files(folder, "masks", faults):
        other = masks.setdefault(_name(path).removesuffix("_mask"), path)
        if other != path:
            faults.add(f"{path}: a second mask beside {other.name} for the same image; remove one of them")
    return masks


def pair(images: Mapping[str, Path], masks: Mapping[str, Path], masks_folder: Path, faults: Faults) -> list[Pair]:
    """Each image with the mask of its name; an image without mask is a fault, and so is a mask without image."""
    left = {name: mask for name, mask in masks.items() if name not in images}
    in_other_case = {name.casefold(): name for name in left}
    for name, image in images.items():
        if name in masks:
            continue
        similar = left.pop(in_other_case.get(name.casefold(), ""), None)
        expected = masks_folder / f"{name}_mask.png"
        advice = f"{similar.name} differs in case: rename one" if similar else "add the mask or remove the image"
        faults.add(f"{image}: its mask {expected} is missing; {advice}")
    for mask in left.values():
        faults.add(f"{mask}: a mask without its image; remove the mask or add the image")
    return [Pair(name, image, masks.get(name)) for name, image in images.items()]


def pair_class(folder: Path, masks_folder: Path, faults: Faults) -> list[Pair]:
    """The images of a class, with their masks if it is a class of defects."""
    pairs: list[Pair] = []
    with faults.collect():
        images = images_in(folder, faults)
        pairs = [Pair(name, image, None) for name, image in images.items()]
        if images and folder.name != GOOD:
            pairs = pair(images, masks_in(masks_folder, faults), masks_folder, faults)
    return pairs


def _image_files(folder: Path, expected: str, faults: Faults) -> list[Path]:
    """The files of a folder that exist and have the name of an image; all others are faults."""
    found = []
    for path in entries(folder, expected):
        if path.is_dir():
            faults.add(f"{path}: is a folder; expected {expected} only; move it elsewhere")
        elif path.suffix.lower() not in IMAGE_SUFFIXES:
            faults.add(f"{path}: not an image; expected {', '.join(sorted(IMAGE_SUFFIXES))}; move it elsewhere")
        elif not path.exists():
            faults.add(f"{path}: is a broken link; restore the file or remove the link")
        else:
            found.append(path)
    return found


def _name(path: Path) -> str:
    """The stem in composed form: archives from another system may have decomposed letters on one side of a pair."""
    return unicodedata.normalize("NFC", path.stem)
