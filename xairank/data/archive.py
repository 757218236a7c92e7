"""Unpacks one category of an archive that is not trusted."""

import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from xairank.data.mvtec import CATEGORY_PARTS
from xairank.errors import UserError
from xairank.files import remove_leftovers, temporary_beside

LARGEST = 20 * 2**30  # bytes a category may unpack to; the largest of MVTec AD has less than one


def extract_category(
    archive: Path,
    category: str,
    root: Path,
    *,
    accept: Callable[[Path], object] = lambda folder: None,
    largest: int = LARGEST,
) -> Path:
    """Unpacks a category into ``root/category``, whole or not at all, and no other category.

    Only plain files and folders are written, and only below the category.

    Args:
        archive: A tar file, compressed or not.
        category: The folder of the archive to unpack.
        root: The folder to create the category's folder in.
        accept: Called with the unpacked folder before it gets its name; raises a UserError to refuse it.
        largest: Most bytes it may unpack to.

    Raises:
        UserError: The archive is damaged, does not hold the category, or has a member that is refused: an
            absolute path, ``..``, a link, a device, or more bytes than ``largest``.
    """
    target = root / category
    if target.exists():
        raise UserError(f"{target}: already exists; delete it to unpack {archive.name} again")
    remove_leftovers(root)
    temporary = temporary_beside(target)
    try:
        count = _unpack(archive, category, temporary, largest)
        if not count:
            raise UserError(
                f"{archive}: holds no folder {category} with {', '.join(CATEGORY_PARTS)}; is it the right archive?"
            )
        accept(temporary)
        temporary.rename(target)
    except (tarfile.TarError, EOFError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UserError(
            f"{archive}: cannot be unpacked ({reason}); free disk space, or delete the archive and download it again"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _unpack(archive: Path, category: str, folder: Path, largest: int) -> int:
    """The number of files written."""
    count = total = 0
    with tarfile.open(archive, "r|*") as members:  # a stream: the index of a large archive costs a whole pass
        for member in members:
            parts = _checked(archive, member)
            if category not in parts[:-1]:
                continue
            inside = parts[parts.index(category) + 1 :]
            if not member.isfile() or inside[0] not in CATEGORY_PARTS:
                continue
            total += member.size
            if total > largest:
                raise UserError(f"{archive}: unpacks to more than {largest:,} bytes; it is not an archive of MVTec AD")
            path = folder.joinpath(*inside)
            path.parent.mkdir(parents=True, exist_ok=True)
            content = members.extractfile(member)
            assert content is not None
            with path.open("wb") as file:
                shutil.copyfileobj(content, file)
            count += 1
    return count


def _checked(archive: Path, member: tarfile.TarInfo) -> tuple[str, ...]:
    """The parts of a member's path, if it is harmless."""
    path = PurePosixPath(member.name)
    drive = any(re.match("[A-Za-z]:", part) for part in path.parts)  # Windows would start a new path there
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or drive:
        raise UserError(f"{archive}: member {member.name} points out of the folder; do not use this archive")
    if not (member.isfile() or member.isdir()):
        raise UserError(f"{archive}: member {member.name} is a link or a device; do not use this archive")
    return path.parts
