"""A run's ``maps.npz``: the attribution maps and images that figures and reports show, small and exact in order.

A map is kept as the ranks of its pixels, which cost two bytes each and hold its top-K sets and ties exactly, and as a
few hundred of its values, between which reading interpolates.
"""

import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xairank.errors import UserError
from xairank.files import atomic

JPEG_QUALITY = 92
VALUE_STEPS = 256
_ACTIVATION = "class_activation/"

_Floats = NDArray[np.float32]
_Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Maps:
    """What figures and the report need of one run, self-contained.

    Attributes:
        splits: "train" or "test", one a sample (S).
        samples: Keys, ``class/stem``, one a sample.
        labels: True class names.
        predicted: Predicted class names.
        probability: Of the predicted class (S,), in [0, 1].
        methods: Names of the M methods.
        maps: Attributions (S, M, H, W), finite.
        images: As the model saw them (S, H, W, 3), uint8.
        masks: True on the defect (S, H, W).
        predicted_masks: The decoder's output (S, H, W), in [0, 1].
        class_activation: By method, its maps before upsampling (S, h, w); only of the methods that report them.
    """

    splits: list[str]
    samples: list[str]
    labels: list[str]
    predicted: list[str]
    probability: NDArray[np.float64]
    methods: list[str]
    maps: _Floats
    images: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    predicted_masks: _Floats
    class_activation: dict[str, _Floats]


def join_maps(parts: Sequence[Maps]) -> Maps:
    """The samples of several parts in one; the methods are the same in all."""
    joined: dict[str, Any] = {"methods": parts[0].methods}
    for name in (field.name for field in fields(Maps) if field.name != "methods"):
        values = [getattr(part, name) for part in parts]
        if isinstance(values[0], list):
            joined[name] = [item for value in values for item in value]
        elif isinstance(values[0], dict):
            joined[name] = {key: np.concatenate([value[key] for value in values]) for key in values[0]}
        else:
            joined[name] = np.concatenate(values)
    return Maps(**joined)


def write_maps(path: Path, maps: Maps) -> None:
    """Writes ``maps`` atomically.

    Raises:
        ValueError: An attribution is NaN or infinite.
    """
    n_maps, shape = len(maps.samples) * len(maps.methods), maps.maps.shape
    encoded = [_encode(values) for values in maps.maps.astype(np.float32).reshape(n_maps, shape[2] * shape[3])]
    ranks = np.array([ranks for ranks, _, _ in encoded], np.int64).reshape(shape)
    jpegs = [_to_jpeg(image) for image in maps.images]
    arrays = {
        "splits": np.array(maps.splits, str),
        "samples": np.array(maps.samples, str),
        "labels": np.array(maps.labels, str),
        "predicted": np.array(maps.predicted, str),
        "probability": np.asarray(maps.probability, np.float64),
        "methods": np.array(maps.methods, str),
        "rank_bytes": _to_bytes(ranks),
        "knot_counts": np.array([len(knots) for _, knots, _ in encoded], np.int64),
        "knot_ranks": _joined((knots for _, knots, _ in encoded), np.uint32),
        "knot_values": _joined((values for _, _, values in encoded), np.float32),
        "jpeg_sizes": np.array([len(jpeg) for jpeg in jpegs], np.int64),
        "jpegs": np.frombuffer(b"".join(jpegs), np.uint8),
        "mask_bits": np.packbits(maps.masks),
        "predicted_masks": np.rint(maps.predicted_masks * 255).astype(np.uint8),
    }
    arrays |= {f"{_ACTIVATION}{name}": some.astype(np.float32) for name, some in maps.class_activation.items()}
    with atomic(path) as temporary:
        np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]  # numpy's stub takes them for allow_pickle


def read_maps(path: Path) -> Maps:
    """Reads what :func:`write_maps` wrote.

    The order and the ties of each map's pixels, masks, names and probabilities are exact. The values of a map are off
    by less than 1/256 of its range, predicted masks by 1/510, images by what JPEG loses.

    Raises:
        UserError: The file is not there or is not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return _decode_all(dict(archive))
    except FileNotFoundError:
        raise UserError(f"{path}: not found; run again with attribution.keep_maps=true to make it") from None
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile):
        raise UserError(f"{path}: not a readable maps file; delete it and its run's run.json, and run again") from None


def _decode_all(arrays: dict[str, NDArray]) -> Maps:
    ranks = _from_bytes(arrays["rank_bytes"])
    n_samples, _, height, width = ranks.shape
    cuts = np.cumsum(arrays["knot_counts"])[:-1]
    knots = zip(np.split(arrays["knot_ranks"], cuts), np.split(arrays["knot_values"], cuts), strict=True)
    flat = ranks.reshape(-1, height * width)
    maps = [_decode(map_ranks, *map_knots) for map_ranks, map_knots in zip(flat, knots, strict=False)]
    jpegs = np.split(arrays["jpegs"], np.cumsum(arrays["jpeg_sizes"])[:-1])[:n_samples]
    images = [np.asarray(Image.open(io.BytesIO(jpeg.tobytes())).convert("RGB")) for jpeg in jpegs]
    n_bits = n_samples * height * width
    return Maps(
        **{name: arrays[name].tolist() for name in ("splits", "samples", "labels", "predicted", "methods")},
        probability=arrays["probability"],
        maps=np.array(maps, np.float32).reshape(ranks.shape),
        images=np.array(images, np.uint8).reshape(n_samples, height, width, 3),
        masks=np.unpackbits(arrays["mask_bits"], count=n_bits).astype(bool).reshape(n_samples, height, width),
        predicted_masks=arrays["predicted_masks"].astype(np.float32) / np.float32(255),
        class_activation={
            name.removeprefix(_ACTIVATION): some for name, some in arrays.items() if name.startswith(_ACTIVATION)
        },
    )


def _encode(values: _Floats) -> tuple[_Integers, _Integers, _Floats]:
    """Dense ranks of the values (N,), equal where these are, and knots: some ranks with their values."""
    if not np.isfinite(values).all():
        raise ValueError("maps: NaN or infinite values; a method that gives them cannot be shown")
    levels, ranks = np.unique(values, return_inverse=True)
    steps = np.linspace(float(levels[0]), float(levels[-1]), VALUE_STEPS + 1)
    at_step = np.searchsorted(levels, steps)
    # Both sides of every step bound the error; the first two keep the zeros of a ReLU apart from what follows.
    knots = np.unique(np.concatenate([[0, 1], at_step - 1, at_step]).clip(0, len(levels) - 1))
    return ranks.reshape(-1), knots, levels[knots]


def _decode(ranks: _Integers, knots: NDArray[np.integer], values: _Floats) -> _Floats:
    """Values by rank, strictly increasing.

    Interpolates the floats' ordinals, which count the representable numbers: as many lie between two knots as between
    the map's own values there, so the slope is at least one and no two ranks meet.
    """
    positions, ordinals = knots.astype(np.int64), _ordinal(values)
    gaps, rises = np.diff(positions, append=positions[-1] + 1), np.diff(ordinals, append=ordinals[-1])
    levels = np.arange(positions[-1] + 1)
    before = np.searchsorted(positions, levels, side="right") - 1
    return _from_ordinal(ordinals[before] + (levels - positions[before]) * rises[before] // gaps[before])[ranks]


def _ordinal(values: _Floats) -> _Integers:
    """Number of float32 values from zero up (positive) or down (negative) to each value; exact and monotone."""
    bits = values.astype(np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def _from_ordinal(ordinals: _Integers) -> _Floats:
    magnitudes = np.abs(ordinals).astype(np.int32).view(np.float32)
    return np.where(ordinals < 0, -magnitudes, magnitudes)


def _to_bytes(ranks: _Integers) -> NDArray[np.uint8]:
    """Planes of bytes, low to high, along a new first axis: they compress better apart."""
    width = 2 if ranks.max(initial=0) < 2**16 else 4
    return np.stack([(ranks >> 8 * byte & 0xFF).astype(np.uint8) for byte in range(width)])


def _from_bytes(planes: NDArray[np.uint8]) -> _Integers:
    ranks = np.zeros(planes.shape[1:], np.int64)
    for byte, plane in enumerate(planes):
        ranks |= plane.astype(np.int64) << 8 * byte
    return ranks


def _joined(parts: Iterable[NDArray], dtype: type[np.generic]) -> NDArray:
    return np.concatenate([np.zeros(0, dtype), *(part.astype(dtype) for part in parts)])


def _to_jpeg(image: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return stream.getvalue()
