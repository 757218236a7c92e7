"""Maps from elsewhere: every format gives the same map, every fault is named."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from xairank.data.faults import Faults
from xairank.data.map_files import index_maps, read_map
from xairank.errors import UserError

SAMPLES = pd.Series(["crack/000", "crack/001", "hole/000"])


@pytest.fixture
def whole():
    """A map whose values every format can hold."""
    return np.random.default_rng(0).integers(0, 200, (24, 32)).astype(np.float32)


def write(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".npz":
        np.savez_compressed(path, attribution=values)
    else:
        Image.fromarray(values).save(path)
    return path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("a.npy", kind) for kind in (np.float16, np.float32, np.float64, np.uint8, np.int64)),
        *(("a.npz", kind) for kind in (np.float32, np.uint16)),
        *(("a.tif", kind) for kind in (np.float32, np.uint8, np.uint16, np.int32)),
        *(("a.png", kind) for kind in (np.uint8, np.uint16)),
    ],
)
def test_every_format_gives_the_same_map(tmp_path, whole, name, kind):
    found = read_map(write(tmp_path / name, whole.astype(kind)), (24, 32))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("shape", [(1, 24, 32), (1, 1, 24, 32)])
def test_leading_axes_of_one_are_dropped(tmp_path, whole, shape):
    np.testing.assert_array_equal(read_map(write(tmp_path / "a.npy", whole.reshape(shape)), (24, 32)), whole)


def test_a_coarse_map_is_upsampled_bilinearly(tmp_path):
    rows, columns = np.mgrid[:8, :10]
    coarse = write(tmp_path / "a.npy", (3.0 * rows + 2.0 * columns).astype(np.float32))
    fine = read_map(coarse, (32, 40))
    # Pixel centres of a map four times as fine; at the border, half a coarse pixel wide, the map is constant.
    y, x = (np.arange(32) + 0.5) / 4 - 0.5, (np.arange(40) + 0.5) / 4 - 0.5
    expected = 3 * y.clip(0, 7)[:, None] + 2 * x.clip(0, 9)[None]
    np.testing.assert_allclose(fine, expected, atol=1e-4)


@pytest.mark.parametrize(("sign", "expected"), [("as_is", [-2, 0, 3]), ("abs", [2, 0, 3]), ("positive", [0, 0, 3])])
def test_the_sign_is_said_not_guessed(tmp_path, sign, expected):
    path = write(tmp_path / "a.npy", np.array([[-2.0, 0.0, 3.0]]))
    np.testing.assert_array_equal(read_map(path, (1, 3), sign)[0], expected)
    with pytest.raises(UserError, match=r"a.npy: has negative values, down to -2; .* maps_sign=as_is or maps_sign=abs"):
        read_map(path, (1, 3))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("a.npy", np.array([[np.nan, 1.0]]), "1 of 2 values are NaN or infinite"),
        ("a.npy", np.array([[np.inf, np.nan]]), "2 of 2 values are NaN or infinite"),
        ("a.npy", np.zeros((3, 8, 8)), r"an array of shape \(3, 8, 8\); expected a map \(height, width\)"),
        ("a.npy", np.zeros(8), r"an array of shape \(8,\)"),
        ("a.npy", np.zeros((0, 8)), r"an array of shape \(0, 8\)"),
        ("a.npy", np.array([["x"]]), "its values are of type <U1; expected numbers"),
        ("a.png", np.zeros((8, 8, 3), np.uint8), r"a picture in colours \(mode RGB\)"),
    ],
)
def test_what_is_no_map_is_named(tmp_path, name, values, message):
    path = write(tmp_path / name, values)
    with pytest.raises(UserError, match=message) as caught:
        read_map(path, (8, 8))
    assert str(caught.value).startswith(str(path))


def test_a_pickle_is_never_loaded(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match="not an array of numbers"):
        read_map(path, (8, 8))


@pytest.mark.parametrize("content", [b"", b"no map", b"\x93NUMPY"])
@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.png", "a.tif"])
def test_a_damaged_file_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=r"(cannot be read as a map|not an array of numbers)"):
        read_map(tmp_path / name, (8, 8))


def test_several_arrays_are_ambiguous(tmp_path):
    np.savez(tmp_path / "a.npz", map=np.zeros((8, 8)), image=np.zeros((8, 8)))
    with pytest.raises(UserError, match="holds map, image; expected one array"):
        read_map(tmp_path / "a.npz", (8, 8))


def test_maps_are_found_by_key_or_by_a_stem_that_only_one_sample_has(tmp_path, whole):
    for name in ("mine/crack/000.npy", "mine/001.npz", "mine/hole/000.npy"):
        write(tmp_path / name, whole)
    for name in ("theirs/crack/000.png", "theirs/crack/001.png", "theirs/hole/000.png"):
        write(tmp_path / name, whole.astype(np.uint8))
    faults = Faults()
    found = index_maps(tmp_path, SAMPLES, faults)
    faults.stop()
    assert list(found) == ["mine", "theirs"]
    assert found["mine"]["crack/001"] == tmp_path / "mine/001.npz"
    assert found["theirs"]["hole/000"] == tmp_path / "theirs/hole/000.png"
    assert all(set(files) == set(SAMPLES) for files in found.values())


def test_samples_of_a_table_are_named_with_their_suffix(tmp_path, whole):
    write(tmp_path / "mine/a/1.npy", whole)
    found = index_maps(tmp_path, pd.Series(["a/1.jpg"]), Faults())
    assert found["mine"] == {"a/1.jpg": tmp_path / "mine/a/1.npy"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine/hole/001.npy", "the map of no image"),
        ("mine/000.npy", "the map of no image"),  # two samples have this stem
        ("mine/crack/000.png", "a second map of crack/000 beside 000.npy"),
        ("mine/notes.txt", "not a map; expected .npy"),
    ],
)
def test_what_does_not_belong_is_a_fault(tmp_path, whole, name, message):
    for sample in SAMPLES:
        write(tmp_path / f"mine/{sample}.npy", whole)
    path = tmp_path / name
    write(path, whole.astype(np.uint8)) if path.suffix != ".txt" else path.write_text("x")
    faults = Faults()
    index_maps(tmp_path, SAMPLES, faults)
    (fault,) = faults.messages
    assert message in fault
    assert fault.startswith(str(path))


def test_a_missing_map_is_a_fault_of_its_method(tmp_path, whole):
    for sample in SAMPLES[:2]:
        write(tmp_path / f"mine/{sample}.npy", whole)
    faults = Faults()
    index_maps(tmp_path, SAMPLES, faults)
    assert faults.messages == [
        f"{tmp_path / 'mine'}: no map of hole/000; every method needs a map of every image that is ranked"
    ]


def test_a_folder_without_methods_is_refused(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"")
    with pytest.raises(UserError, match="no folder in it; expected a folder of maps for each method"):
        index_maps(tmp_path, SAMPLES, Faults())
    with pytest.raises(UserError, match="no such folder"):
        index_maps(tmp_path / "nowhere", SAMPLES, Faults())
