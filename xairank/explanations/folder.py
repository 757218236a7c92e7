"""The folder of explanations: views, maps, overlays, predictions, and last the manifest; it is there whole or not.

All of it is written into a hidden folder beside its place and moved there when it is complete.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from xairank.errors import UserError
from xairank.explanations.overlay import picture
from xairank.files import remove_leftovers, temporary_beside
from xairank.locking import held

MANIFEST = "manifest.json"
_PARTS = ("overlays", "maps", "npz", "predictions.csv")  # the manifest comes last
_WHITE = 65535  # the largest value of 16 bits


class Seen(NamedTuple):
    """What the network sees of an image (S, S, 3), and of its mask (S, S); None where it has none."""

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_] | None


class ExplanationFolder:
    """Explanations that are being written; made by :func:`writing`."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def write_seen(self, key: str, seen: Seen) -> None:
        """Keeps an image and its mask, in the network's view, until all overlays are drawn."""
        arrays = {name: value for name, value in seen._asdict().items() if value is not None}
        np.savez(self._file("seen", key, "npz"), **arrays)

    def read_seen(self, key: str) -> Seen:
        """What :meth:`write_seen` kept."""
        with np.load(self._place / "seen" / f"{key}.npz") as arrays:
            return Seen(arrays["image"], arrays.get("mask"))

    def write_map(self, method: str, key: str, attribution: NDArray[np.float32]) -> dict[str, Any]:
        """Writes a map (S, S) as it is, and in 16 bits; negative values are 0 there.

        Returns:
            What the manifest says of it: its files, and its largest value, which 65535 stands for.
        """
        highest = max(float(attribution.max()), 0.0)
        levels = np.clip(attribution.astype(np.float64) / (highest or 1.0), 0, 1) * _WHITE
        picture_file, exact = self._file(f"maps/{method}", key, "png"), self._file(f"npz/{method}", key, "npz")
        Image.fromarray(levels.round().astype(np.uint16)).save(picture_file)
        np.savez_compressed(exact, attribution=attribution)
        return {"map": self._name(picture_file), "npz": self._name(exact), "maximum": highest}

    def write_overlay(self, method: str, key: str, highest: float) -> str:
        """Draws the map that :meth:`write_map` wrote over its image; returns the name of the file.

        Args:
            method: Whose map.
            key: Of the image.
            highest: The value that is shown as the brightest colour.
        """
        seen = self.read_seen(key)
        with np.load(self._place / f"npz/{method}/{key}.npz") as arrays:
            drawn = picture(seen.image, arrays["attribution"], highest, seen.mask)
        path = self._file(f"overlays/{method}", key, "png")
        drawn.save(path, compress_level=1)  # a third of the time, for a sixth more space
        return self._name(path)

    def finish(self, predictions: Iterable[tuple[str, str, float]], manifest: Mapping[str, Any]) -> None:
        """Writes the table of predictions (image, class, probability), and the manifest."""
        shutil.rmtree(self._place / "seen", ignore_errors=True)
        table = pd.DataFrame(predictions, columns=["image", "predicted", "probability"])
        table.to_csv(self._place / "predictions.csv", index=False)
        text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False)
        (self._place / MANIFEST).write_text(text + "\n", encoding="utf-8")

    def _file(self, folder: str, key: str, suffix: str) -> Path:
        path = self._place / folder / f"{key}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _name(self, path: Path) -> str:
        return path.relative_to(self._place).as_posix()


def check_place(place: Path, explained: Mapping[str, Any], *, overwrite: bool) -> None:
    """Checks that nothing of the user's is in the way.

    Args:
        place: Of the explanations.
        explained: What is explained, which the manifest of a folder that is there must also say.
        overwrite: Whether explanations of something else are replaced.

    Raises:
        UserError: Something is.
    """
    where = f"output={place}"
    if place.exists() and not place.is_dir():
        raise UserError(f"{where}: is a file; expected a folder; choose another with output=FOLDER")
    if not place.exists() or not any(place.iterdir()):
        return
    try:
        found = json.loads((place / MANIFEST).read_text(encoding="utf-8"))["explained"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{where}: is not empty, and holds no explanations; choose a new folder with output=FOLDER, or empty it"
        ) from None
    differing = [key for key in {**found, **explained} if found.get(key) != explained.get(key)]
    if differing and not overwrite:
        raise UserError(
            f"{where}: holds explanations of something else ({', '.join(sorted(differing))} differ); choose another "
            "with output=FOLDER, or replace them with overwrite=true"
        )


@contextmanager
def writing(place: Path) -> Iterator[ExplanationFolder]:
    """A folder of explanations that takes its place when the block ends, and is gone where it fails.

    Explanations that were there are replaced; other files beside them stay.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(place.parent)
    temporary = temporary_beside(place)
    with held(place.with_name(f".{place.name}.lock"), place):
        temporary.mkdir()
        try:
            yield ExplanationFolder(temporary)
            _move(temporary, place)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _move(temporary: Path, place: Path) -> None:
    place.mkdir(exist_ok=True)
    (place / MANIFEST).unlink(missing_ok=True)
    for name in (*_PARTS, MANIFEST):
        old = place / name
        if old.is_dir():
            shutil.rmtree(old)
        if (temporary / name).exists():
            (temporary / name).replace(old)
