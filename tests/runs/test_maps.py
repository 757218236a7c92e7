"""The maps file: exact order and ties, close values, small."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.stats import rankdata

from xairank.errors import UserError
from xairank.runs import maps as maps_file
from xairank.runs.maps import Maps, join_maps, read_maps, write_maps

FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32, allow_subnormal=True)
SPECIAL = st.sampled_from(
    np.float32([0.0, -0.0, 1e-45, -1e-45, 1.1754944e-38, 1.0, 1.0000001, 3.4028235e38, -3.4028235e38]).tolist()
)


def make_maps(attributions: NDArray[np.float32], *, class_activation: bool = True) -> Maps:
    """A maps object around ``attributions`` (S, M, H, W), the rest drawn from one seed."""
    generator = np.random.default_rng(0)
    n, n_methods, height, width = attributions.shape
    smooth = np.linspace(0, 255, height)[:, None, None] * np.ones((height, width, 3))
    return Maps(
        splits=["train", "test"] * (n // 2) + ["test"] * (n % 2),
        samples=[f"crack/{index:03d}" for index in range(n)],
        labels=["crack"] * n,
        predicted=["crack"] * n,
        probability=generator.random(n),
        methods=[f"method_{index}" for index in range(n_methods)],
        maps=attributions,
        images=np.repeat(smooth[None].astype(np.uint8), n, axis=0),
        masks=generator.random((n, height, width)) < 0.3,
        predicted_masks=generator.random((n, height, width), dtype=np.float32),
        class_activation={
            name: generator.random((n, 7, 7), dtype=np.float32) for name in ("method_0", "other") if class_activation
        },
    )


def round_trip(path: Path, attributions: NDArray[np.float32]) -> NDArray[np.float32]:
    write_maps(path / "maps.npz", make_maps(attributions))
    return read_maps(path / "maps.npz").maps


def assert_same_order(found: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    """Dense ranks as scipy computes them, which see every order and every tie."""
    assert found.dtype == np.float32
    for one, other in zip(found.reshape(-1, *found.shape[2:]), expected.reshape(-1, *expected.shape[2:]), strict=True):
        np.testing.assert_array_equal(rankdata(one, "dense"), rankdata(other, "dense"))


@settings(deadline=None, max_examples=300)
@given(hnp.arrays(np.float32, (1, 2, 13, 7), elements=FINITE | SPECIAL))
def test_order_and_ties_are_exact_for_any_finite_values(
    tmp_path_factory: pytest.TempPathFactory, attributions: NDArray[np.float32]
) -> None:
    assert_same_order(round_trip(tmp_path_factory.mktemp("maps"), attributions), attributions)


def attributions_of(kind: str) -> NDArray[np.float32]:
    generator = np.random.default_rng(1)
    drawn = generator.random((1, 1, 224, 224), dtype=np.float32)
    numbers = generator.permutation(224 * 224).astype(np.int32).reshape(drawn.shape)
    # Neighbouring floats, twice as far apart above 2 as below: there, interpolating values would tie some of them.
    neighbours = (0x40000000 - 25_000 + numbers).view(np.float32)
    return {
        "uniform": drawn,
        "heavy tail": drawn**20,
        "relu": np.maximum(drawn - 0.7, 0) * 1e-6,
        "constant": np.full_like(drawn, 0.3),
        "zero": np.zeros_like(drawn),
        "denormals": numbers.view(np.float32),
        "neighbours": neighbours,
        "neighbours and an outlier": np.where(numbers == 7, np.float32(1e30), neighbours),
        "huge range": (10.0 ** generator.uniform(-44, 38, drawn.shape)).astype(np.float32) * np.sign(drawn - 0.5),
    }[kind]


KINDS = ["uniform", "heavy tail", "relu", "constant", "zero", "denormals", "neighbours", "neighbours and an outlier"]


@pytest.mark.parametrize("kind", [*KINDS, "huge range"])
def test_order_ties_and_values_of_a_whole_image(tmp_path: Path, kind: str) -> None:
    attributions = attributions_of(kind)
    found = round_trip(tmp_path, attributions)
    assert_same_order(found, attributions)
    low, high = float(attributions.min()), float(attributions.max())
    assert (float(found.min()), float(found.max())) == (low, high)
    assert np.abs(found.astype(float) - attributions).max() <= (high - low) / 256


def test_more_levels_than_two_bytes_hold(tmp_path: Path) -> None:
    attributions = np.random.default_rng(2).permutation(300 * 300).astype(np.float32).reshape(1, 1, 300, 300)
    assert_same_order(round_trip(tmp_path, attributions), attributions)


def test_topk_sets_survive(tmp_path: Path) -> None:
    attributions = np.random.default_rng(3).standard_exponential((2, 3, 64, 64)).astype(np.float32)
    found = round_trip(tmp_path, attributions)
    for k in (1, 17, 1025, 4095):
        for one, other in zip(found.reshape(6, -1), attributions.reshape(6, -1), strict=True):
            assert set(np.argsort(one)[-k:]) == set(np.argsort(other)[-k:])


def test_everything_else_comes_back(tmp_path: Path) -> None:
    maps = make_maps(np.random.default_rng(4).random((3, 2, 40, 24), dtype=np.float32))
    write_maps(tmp_path / "maps.npz", maps)
    found = read_maps(tmp_path / "maps.npz")
    for name in ("splits", "samples", "labels", "predicted", "methods"):
        assert getattr(found, name) == getattr(maps, name)
    np.testing.assert_array_equal(found.masks, maps.masks)
    np.testing.assert_array_equal(found.probability, maps.probability)
    assert list(found.class_activation) == ["method_0", "other"]
    for name, values in maps.class_activation.items():
        np.testing.assert_array_equal(found.class_activation[name], values)
    assert found.images.dtype == np.uint8
    assert np.abs(found.images.astype(int) - maps.images).max() <= 4
    assert found.predicted_masks.dtype == np.float32
    assert np.abs(found.predicted_masks - maps.predicted_masks).max() <= 0.5 / 255 + 1e-6


def test_without_class_activation(tmp_path: Path) -> None:
    write_maps(tmp_path / "maps.npz", make_maps(np.ones((1, 1, 16, 16), np.float32), class_activation=False))
    assert read_maps(tmp_path / "maps.npz").class_activation == {}


def test_a_run_without_ranked_images(tmp_path: Path) -> None:
    write_maps(tmp_path / "maps.npz", make_maps(np.zeros((0, 3, 32, 32), np.float32)))
    found = read_maps(tmp_path / "maps.npz")
    assert (found.samples, found.maps.shape, found.images.shape) == ([], (0, 3, 32, 32), (0, 32, 32, 3))


def test_hazelnut_run_is_at_most_25_megabytes(tmp_path: Path) -> None:
    """Worst case for the maps, of which ten samples stand for seventy: noise in all of them."""
    maps = make_maps(np.random.default_rng(5).random((10, 3, 224, 224), dtype=np.float32))
    smooth = np.linspace(0, 1, 224, dtype=np.float32)[:, None] * np.ones((10, 224, 224), np.float32)
    write_maps(tmp_path / "maps.npz", replace(maps, predicted_masks=smooth))
    assert 7 * (tmp_path / "maps.npz").stat().st_size < 25e6


def test_the_array_file_holds_no_pickles(tmp_path: Path) -> None:
    write_maps(tmp_path / "maps.npz", make_maps(np.ones((2, 1, 16, 16), np.float32)))
    assert [path.name for path in tmp_path.iterdir()] == ["maps.npz"]
    with np.load(tmp_path / "maps.npz", allow_pickle=False) as archive:
        assert all(archive[name].dtype != object for name in archive.files)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite_is_refused_and_leaves_no_file(tmp_path: Path, bad: float) -> None:
    with pytest.raises(ValueError, match="NaN or infinite"):
        write_maps(tmp_path / "maps.npz", make_maps(np.full((1, 1, 8, 8), bad, np.float32)))
    assert list(tmp_path.iterdir()) == []


def test_missing_or_damaged_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "maps.npz"
    with pytest.raises(UserError, match=r"maps\.npz: not found.*keep_maps=true"):
        read_maps(path)
    write_maps(path, make_maps(np.ones((1, 1, 16, 16), np.float32)))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="not a readable maps file"):
        read_maps(path)


def parts_of(maps: Maps, *sizes: int) -> list[Maps]:
    """The samples of ``maps`` in parts of these sizes."""
    parts, start = [], 0
    for size in sizes:
        rows = slice(start, start + size)
        texts = {name: getattr(maps, name)[rows] for name in ("splits", "samples", "labels", "predicted")}
        arrays = {
            name: getattr(maps, name)[rows] for name in ("probability", "maps", "images", "masks", "predicted_masks")
        }
        activation = {name: values[rows] for name, values in maps.class_activation.items()}
        parts.append(replace(maps, **texts, **arrays, class_activation=activation))
        start += size
    return parts


@pytest.mark.parametrize("sizes", [(7,), (3, 4), (1, 5, 1)])
def test_parts_join_to_the_file_of_the_whole_bit_by_bit(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    maps = make_maps(np.random.default_rng(6).random((7, 3, 16, 16), dtype=np.float32))
    write_maps(tmp_path / "whole.npz", maps)
    paths = [tmp_path / f"{number}.npz" for number in range(len(sizes))]
    for path, part in zip(paths, parts_of(maps, *sizes), strict=True):
        write_maps(path, part, compressed=False)
    join_maps(tmp_path / "joined.npz", paths)
    assert (tmp_path / "joined.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


def test_a_damaged_part_is_named_and_leaves_no_joined_file(tmp_path: Path) -> None:
    (tmp_path / "0.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"0\.npz: not a readable maps file"):
        join_maps(tmp_path / "joined.npz", [tmp_path / "0.npz"])
    assert [path.name for path in tmp_path.iterdir()] == ["0.npz"]


def test_single_samples_are_read_without_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maps = make_maps(np.random.default_rng(7).random((5, 2, 16, 16), dtype=np.float32))
    write_maps(tmp_path / "maps.npz", maps)
    whole = read_maps(tmp_path / "maps.npz")
    decoded = []
    decode = maps_file.decode_map
    monkeypatch.setattr(maps_file, "decode_map", lambda *map_: decoded.append(1) or decode(*map_))
    found = read_maps(tmp_path / "maps.npz", ["crack/003", "crack/001"])
    assert len(decoded) == 2 * 2
    assert found.samples == ["crack/003", "crack/001"]
    for name in ("maps", "images", "masks", "predicted_masks", "probability"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name)[[3, 1]])
    np.testing.assert_array_equal(found.class_activation["other"], maps.class_activation["other"][[3, 1]])
    with pytest.raises(KeyError, match="crack/999"):
        read_maps(tmp_path / "maps.npz", ["crack/999"])
