"""A run's ``maps.npz``: the attribution maps and images that figures and reports show, small and exact in order.

A file is written sample by sample, joined from parts, and read whole or for a few samples; see
:mod:`xairank.runs.map_encoding` for how a map is kept.
"""

import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xairank.errors import UserError
from xairank.files import atomic
from xairank.runs.map_encoding import Floats, decode_map, encode_map, from_bytes, joined, to_bytes, to_jpeg

_Unsigned = TypeVar("_Unsigned", np.uint8, np.uint32)
_TEXTS = ("splits", "samples", "labels", "predicted", "methods")
_ACTIVATION = "class_activation/"


@dataclass(frozen=True)
class Maps:
    """What figures and the report need of one run, self-contained.

    Attributes:
        splits: "train" or "test", one a sample (S).
        samples: Keys, ``class/stem``, one a sample.
        labels: True class names.
        predicted: Predicted class names.
        probability: Of the predicted class (S,), in [0, 1]; NaN where it is not known.
        methods: Names of the M methods.
        maps: Attributions (S, M, H, W), finite.
        images: As the model saw them (S, H, W, 3), uint8.
        masks: True on the defect (S, H, W).
        predicted_masks: The decoder's output (S, H, W), in [0, 1]; None where there is no decoder.
        class_activation: By method, its maps before upsampling (S, h, w); only of the methods that report them.
    """

    splits: list[str]
    samples: list[str]
    labels: list[str]
    predicted: list[str]
    probability: NDArray[np.float64]
    methods: list[str]
    maps: Floats
    images: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    predicted_masks: Floats | None
    class_activation: dict[str, Floats]


def empty_maps(methods: list[str], size: tuple[int, int]) -> Maps:
    """The maps of a run that ranked no image.

    Args:
        methods: Their names.
        size: Height and width of the images, in pixels.
    """
    return Maps(
        *([], [], [], []),
        probability=np.zeros(0),
        methods=methods,
        maps=np.zeros((0, len(methods), *size), np.float32),
        images=np.zeros((0, *size, 3), np.uint8),
        masks=np.zeros((0, *size), bool),
        predicted_masks=None,
        class_activation={},
    )


def write_maps(path: Path, maps: Maps, *, compressed: bool = True) -> None:
    """Writes ``maps`` atomically: a NumPy archive with a few arrays of all samples and some of each sample alone.

    Raises:
        ValueError: An attribution is NaN or infinite.
    """
    with atomic(path) as temporary, _Archive(temporary, compressed=compressed) as archive:
        for number in range(len(maps.samples)):
            for name, array in _encode_sample(maps, number).items():
                archive.add(_member(number, name), array)
        archive.add_texts({name: getattr(maps, name) for name in _TEXTS})
        archive.add("probability", np.asarray(maps.probability, np.float64))
        archive.add("shape", np.array(maps.maps.shape[2:], np.int64))


def join_maps(path: Path, parts: Sequence[Path]) -> None:
    """Joins files of :func:`write_maps`, with the same methods each, in one; no more than a sample is in memory.

    Raises:
        UserError: A part is not readable.
    """
    whole: dict[str, list[Any]] = {name: [] for name in (*_TEXTS, "probability")}
    with atomic(path) as temporary, _Archive(temporary, compressed=True) as archive:
        for part in parts:
            with _opened(part) as arrays:
                first = len(whole["samples"])
                for number, members in _members(arrays).items():
                    for name in members:
                        archive.add(_member(first + number, name), arrays[_member(number, name)])
                for name, values in whole.items():
                    values.extend(arrays[name].tolist() if name != "methods" or not values else [])
                shape = arrays["shape"]
        archive.add_texts({name: whole[name] for name in _TEXTS})
        archive.add("probability", np.array(whole["probability"], np.float64))
        archive.add("shape", shape)


def read_maps(path: Path, samples: Sequence[str] | None = None) -> Maps:
    """Reads what :func:`write_maps` wrote.

    The order and the ties of each map's pixels, masks, names and probabilities are exact. The values of a map are off
    by less than 1/256 of its range, predicted masks by 1/510, images by what JPEG loses.

    Args:
        path: The file.
        samples: Keys of the samples to read; all of them by default. Others cost no memory and hardly any time.

    Raises:
        UserError: The file is not there or is not such a file.
        KeyError: The file has no such sample.
    """
    with _opened(path) as arrays:
        texts = {name: arrays[name].tolist() for name in _TEXTS}
        places = {sample: number for number, sample in enumerate(texts["samples"])}
        numbers = list(places.values()) if samples is None else [places[sample] for sample in samples]
        members = _members(arrays)
        parts = [
            _decode_sample({name: arrays[_member(number, name)] for name in members[number]}) for number in numbers
        ]
        height, width = arrays["shape"].tolist()
        empty = (0, len(texts["methods"]), height, width)
        activations = [name for name in parts[0] if name.startswith(_ACTIVATION)] if parts else []
        return Maps(
            **{name: [texts[name][number] for number in numbers] for name in _TEXTS if name != "methods"},
            methods=texts["methods"],
            probability=arrays["probability"][numbers],
            maps=_stacked(parts, "maps", np.zeros(empty, np.float32)),
            images=_stacked(parts, "image", np.zeros((0, height, width, 3), np.uint8)),
            masks=_stacked(parts, "mask", np.zeros((0, height, width), bool)),
            predicted_masks=np.stack([part["predicted_mask"] for part in parts])
            if parts and "predicted_mask" in parts[0]
            else None,
            class_activation={
                name.removeprefix(_ACTIVATION): np.stack([part[name] for part in parts]) for name in activations
            },
        )


class _Archive:
    """A NumPy archive (.npz) that is written array by array, the same bytes for the same arrays."""

    def __init__(self, path: Path, *, compressed: bool) -> None:
        self._file = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED)

    def __enter__(self) -> "_Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, name: str, array: NDArray) -> None:
        with self._file.open(f"{name}.npy", "w", force_zip64=True) as stream:
            np.lib.format.write_array(stream, array, allow_pickle=False)

    def add_texts(self, texts: dict[str, list[str]]) -> None:
        for name, values in texts.items():
            self.add(name, np.array(values, str))


@contextmanager
def _opened(path: Path) -> Iterator[np.lib.npyio.NpzFile]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if not {"samples", "shape"} <= set(arrays.files):
                raise ValueError("no maps")
            yield arrays
    except FileNotFoundError:
        raise UserError(f"{path}: not found; run again with attribution.keep_maps=true to make it") from None
    except (ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error):
        raise UserError(f"{path}: not a readable maps file; delete it and run again to make it again") from None


def _member(number: int, name: str) -> str:
    return f"{number:06}/{name}"


def _members(arrays: np.lib.npyio.NpzFile) -> dict[int, list[str]]:
    """The names of each sample's arrays."""
    members: dict[int, list[str]] = {}
    for name in arrays.files:
        number, slash, rest = name.partition("/")
        if slash:
            members.setdefault(int(number), []).append(rest)
    return members


def _encode_sample(maps: Maps, number: int) -> dict[str, NDArray]:
    """The arrays of one sample."""
    shape = maps.maps.shape[1:]
    predicted = maps.predicted_masks
    encoded = [encode_map(values.astype(np.float32).reshape(-1)) for values in maps.maps[number]]
    ranks = np.array([ranks for ranks, _, _ in encoded], np.int64).reshape(shape)
    return {
        "rank_bytes": to_bytes(ranks),
        "knot_counts": np.array([len(knots) for _, knots, _ in encoded], np.int64),
        "knot_ranks": _steps(joined((knots for _, knots, _ in encoded), np.uint32)),
        "knot_values": joined((values for _, _, values in encoded), np.float32),
        "jpeg": np.frombuffer(to_jpeg(maps.images[number]), np.uint8),
        "mask_bits": np.packbits(maps.masks[number]),
        **({} if predicted is None else {"predicted_mask": _steps(np.rint(predicted[number] * 255).astype(np.uint8))}),
        **{f"{_ACTIVATION}{name}": values[number].astype(np.float32) for name, values in maps.class_activation.items()},
    }


def _decode_sample(sample: dict[str, NDArray]) -> dict[str, NDArray]:
    """Of one sample: maps (M, H, W), image, mask, predicted mask, and class activations by method."""
    ranks = from_bytes(sample["rank_bytes"])
    height, width = ranks.shape[1:]
    cuts = np.cumsum(sample["knot_counts"])[:-1]
    knots = zip(np.split(_sums(sample["knot_ranks"]), cuts), np.split(sample["knot_values"], cuts), strict=True)
    flat = ranks.reshape(-1, height * width)
    maps = [decode_map(map_ranks, *map_knots) for map_ranks, map_knots in zip(flat, knots, strict=True)]
    bits = np.unpackbits(sample["mask_bits"], count=height * width)
    predicted = sample.get("predicted_mask")
    return {
        "maps": np.array(maps, np.float32).reshape(ranks.shape),
        "image": np.asarray(Image.open(io.BytesIO(sample["jpeg"].tobytes())).convert("RGB")),
        "mask": bits.astype(bool).reshape(height, width),
        **({} if predicted is None else {"predicted_mask": _sums(predicted).astype(np.float32) / np.float32(255)}),
        **{name: array for name, array in sample.items() if name.startswith(_ACTIVATION)},
    }


def _steps(values: NDArray[_Unsigned]) -> NDArray[_Unsigned]:
    """From each value to the next along the last axis, modulo the type's range: what is smooth compresses better so."""
    return np.diff(values, axis=-1, prepend=values.dtype.type(0))


def _sums(steps: NDArray[_Unsigned]) -> NDArray[_Unsigned]:
    """The values of :func:`_steps`."""
    return steps.cumsum(axis=-1, dtype=steps.dtype)


def _stacked(parts: Sequence[dict[str, NDArray]], name: str, empty: NDArray) -> NDArray:
    return np.stack([part[name] for part in parts]) if parts else empty
