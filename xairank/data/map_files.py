"""Attribution maps that another tool made, as files: one folder a method, a map an image, named as the images are.

A map covers what the model saw of its image, at any resolution: it is resized bilinearly. Formats: .npy and .npz (one
array), TIFF (floating or whole numbers) and PNG (8 or 16 bits, grey).
"""

import zipfile
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from xairank.data.faults import Faults
from xairank.data.files import entries, without_image_suffix
from xairank.errors import UserError

Sign = Literal["as_is", "abs", "positive"]
SIGNS: tuple[str, ...] = get_args(Sign)
SUFFIXES = (".npy", ".npz", ".tif", ".tiff", ".png")
MapFiles = dict[str, dict[str, Path]]


def index_maps(folder: Path, samples: pd.Series, faults: Faults, needed: Collection[str] | None = None) -> MapFiles:
    """Finds the map of each method and sample.

    The map of the sample ``crack/000`` is ``<folder>/<method>/crack/000.npy``, or ``<folder>/<method>/000.npy`` where
    no other sample has that stem. A map that is missing, a second one, or one of no sample is a fault.

    Args:
        folder: A folder for each method.
        samples: Keys of all samples.
        faults: Takes what is wrong with single files.
        needed: Keys of those that need a map; all by default.

    Returns:
        By method, in alphabetical order, and by sample.

    Raises:
        UserError: The folder is missing, or holds no folder.
    """
    methods = [path for path in entries(folder, "a folder of maps for each method") if path.is_dir()]
    if not methods:
        raise UserError(
            f"{folder}: no folder in it; expected a folder of maps for each method, such as {folder}/gradcam"
        )
    names = names_of(samples)
    wanted = set(samples) if needed is None else needed
    return {method.name: _index_method(method, names, wanted, faults) for method in methods}


def read_map(path: Path, size: tuple[int, int] | None, sign: Sign | None = None) -> NDArray[np.float32]:
    """Reads a map and resizes it.

    Args:
        path: Of one of :data:`SUFFIXES`.
        size: Height and width of the result, in pixels; None leaves the map as it is.
        sign: What negative values mean: ``as_is`` ranks them below zero, ``abs`` takes their size, ``positive`` sets
            them to zero; None refuses them, since each of these gives another ranking.

    Returns:
        The map, (height, width), finite.

    Raises:
        UserError: The file is no map, holds NaN or infinite values, or negative ones and no ``sign``.
    """
    values = _read_values(path)
    if values.ndim != 2 or 0 in values.shape:
        raise UserError(
            f"{path}: an array of shape {values.shape}; expected a map (height, width); reduce the channels to one"
        )
    if not np.isfinite(values).all():
        count = int((~np.isfinite(values)).sum())
        raise UserError(f"{path}: {count} of {values.size} values are NaN or infinite; make the map again without them")
    if sign is None and (values < 0).any():
        raise UserError(
            f"{path}: has negative values, down to {values.min():.3g}; say what they mean with "
            f"maps_sign={' or maps_sign='.join(SIGNS)}"
        )
    if sign == "abs":
        values = np.abs(values)
    elif sign == "positive":
        values = np.maximum(values, 0)
    found = values.astype(np.float32)
    return found if size is None else resize_map(found, size)


def resize_map(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """A map (h, w) in another size (H, W), bilinearly, with antialiasing where it becomes smaller."""
    if values.shape == size:
        return values
    return np.asarray(Image.fromarray(values).resize(size[::-1], Image.Resampling.BILINEAR), np.float32)


def names_of(samples: pd.Series) -> dict[str, str]:
    """The sample that a file's name, without suffix, stands for: its key, or its stem where no other has it."""
    keys = [str(sample) for sample in samples]
    plain = {key: without_image_suffix(key) for key in keys}
    stems = Counter(Path(name).name for name in plain.values())
    names = {Path(name).name: key for key, name in plain.items() if stems[Path(name).name] == 1}
    names |= {f"test/{name}": key for key, name in plain.items()}  # the folder in MVTec's layout, which keys leave out
    whole = Counter(plain.values())
    names |= {name: key for key, name in plain.items() if whole[name] == 1}
    return names | {key: key for key in keys}  # of two images that differ in suffix alone, a map has the whole name


def _index_method(folder: Path, names: Mapping[str, str], needed: Collection[str], faults: Faults) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if path.suffix.lower() not in SUFFIXES:
            faults.add(f"{path}: not a map; expected {', '.join(SUFFIXES)}; move it elsewhere")
        elif name not in names:
            example = min(needed, default="crack/000")
            faults.add(f"{path}: the map of no image; expected a name such as {example}; move it")
        elif names[name] in found:
            faults.add(f"{path}: a second map of {names[name]} beside {found[names[name]].name}; remove one of them")
        else:
            found[names[name]] = path
    for sample in dict.fromkeys(names.values()):
        if sample in needed and sample not in found:
            faults.add(f"{folder}: no map of {sample}; every method needs a map of every image that is ranked")
    return found


def _read_values(path: Path) -> NDArray[np.float64]:
    try:
        if path.suffix.lower() in (".npy", ".npz"):
            return _from_numpy(path).astype(np.float64)
        with Image.open(path, formats=("PNG", "TIFF")) as image:
            if len(image.getbands()) > 1 or image.mode == "P":
                raise UserError(f"{path}: a picture in colours (mode {image.mode}); expected the map itself, in grey")
            return np.asarray(image, np.float64)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:100]
        raise UserError(f"{path}: cannot be read as a map ({reason}); save it again") from None


def _from_numpy(path: Path) -> NDArray[np.number]:
    try:
        loaded = np.load(path, allow_pickle=False)
    except ValueError:  # which NumPy would take for a pickle
        raise UserError(f"{path}: not an array of numbers; save the map with numpy.save or numpy.savez") from None
    if isinstance(loaded, np.ndarray):
        values = loaded
    else:
        with loaded:
            if len(loaded.files) != 1:
                held = ", ".join(loaded.files) or "nothing"
                raise UserError(f"{path}: holds {held}; expected one array, the map")
            values = loaded[loaded.files[0]]
    if values.dtype.kind not in "fiub":
        raise UserError(f"{path}: its values are of type {values.dtype}; expected numbers")
    leading = values.shape[:-2]  # of one, where a framework kept the batch or the channel
    return values[(0,) * len(leading)] if set(leading) == {1} else values
