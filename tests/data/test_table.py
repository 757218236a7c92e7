import pandas as pd
import pytest

from xairank.data.faults import Faults
from xairank.data.table import index_table
from xairank.errors import UserError

ROWS = {
    "image": ["a.png", "in/b.png", "c.png", "d.png"],
    "mask": ["", "in/b_mask.png", "", "d_mask.png"],
    "label": ["good", "cut", "good", "7"],
}


@pytest.fixture
def place(tmp_path):
    (tmp_path / "in").mkdir()
    for name in filter(None, ROWS["image"] + ROWS["mask"]):
        (tmp_path / name).touch()
    return tmp_path


def write(place, suffix="csv", **columns):
    path = place / f"nuts.{suffix}"
    table = pd.DataFrame({**ROWS, **columns})
    table = table[[name for name in table if table[name].tolist() != [None] * len(table)]]
    table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path)
    return path


def index(path):
    faults = Faults()
    table = index_table(path, faults)
    return table, faults.messages


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_paths_are_relative_to_the_table_and_an_empty_mask_is_none(place, suffix):
    table, faults = index(write(place, suffix, note=["x"] * 4))
    assert faults == []
    assert table.columns.tolist() == ["sample", "label", "image", "mask"]
    assert list(table.itertuples(index=False, name=None)) == [
        ("a.png", "good", place / "a.png", None),
        ("in/b.png", "cut", place / "in/b.png", place / "in/b_mask.png"),
        ("c.png", "good", place / "c.png", None),
        ("d.png", "7", place / "d.png", place / "d_mask.png"),
    ]


def test_missing_values_and_numbers_of_parquet_are_read_as_text(place):
    table, faults = index(write(place, "parquet", mask=[None, "in/b_mask.png", None, "d_mask.png"]))
    assert faults == []
    assert table["mask"].isna().tolist() == [True, False, True, False]
    table, _ = index(write(place, "parquet", label=[1, 2, 3, 4]))
    assert table["label"].tolist() == ["1", "2", "3", "4"]


def test_another_spelling_of_the_same_image_is_found(place):
    _, faults = index(write(place, image=["a.png", "in/b.png", "./a.png", "d.png"]))
    assert [fault.partition(": ")[2] for fault in faults] == ["lists ./a.png again; keep one row for each image"]


def test_a_given_split_is_kept(place):
    table, faults = index(write(place, split=["train", "test", "train", "test"]))
    assert faults == []
    assert table["split"].tolist() == ["train", "test", "train", "test"]


def test_a_table_saved_by_a_spreadsheet_is_read(place):
    path = write(place)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert index(path)[1] == []


def test_absolute_paths_are_taken_as_they_are(place):
    table, faults = index(write(place, image=[str(place / name) for name in ROWS["image"]]))
    assert faults == []
    assert table["image"].tolist() == [place / name for name in ROWS["image"]]


@pytest.mark.parametrize(
    ("columns", "messages"),
    [
        (
            {"image": ["x.png", "in/b.png", "c.png", "y.png"]},
            ["row 2: image {}/x.png does not", "row 5: image {}/y.png"],
        ),
        ({"image": ["in", "in/b.png", "c.png", "d.png"]}, ["row 2: image {}/in is a folder; expected a file"]),
        ({"image": ["", "in/b.png", "c.png", "d.png"]}, ["row 2: names no image"]),
        ({"image": ["a.png", "in/b.png", "a.png", "d.png"]}, ["row 4: lists a.png again"]),
        ({"mask": ["", "gone.png", "", "d_mask.png"]}, ["row 3: mask {}/gone.png does not exist"]),
        ({"mask": ["", "", "", "d_mask.png"]}, ["row 3: in/b.png is of class cut but has no mask; add one, or label"]),
        ({"mask": ["d_mask.png", *ROWS["mask"][1:]]}, ["row 2: a.png is good but has the mask d_mask.png"]),
        ({"label": ["", "cut", "good", "cut"]}, ["row 2: a.png has no label"]),
        (
            {"split": ["train", "", "val", "test"]},
            ["row 3: split is empty; expected train or test in every row", "row 4: split is val"],
        ),
    ],
)
def test_every_fault_is_named_by_its_row(place, columns, messages):
    path = write(place, **columns)
    _, faults = index(path)
    assert len(faults) == len(messages)
    for fault, message in zip(faults, messages, strict=True):
        assert fault.startswith(f"{path}, {message.format(place)}")


def break_(path, content):
    path.write_bytes(content)
    return path


UNREADABLE = {
    "missing": (lambda place: place / "no.csv", r"no\.csv: no such file; expected a table"),
    "folder": (lambda place: place / "in", "in: is a folder; expected a table"),
    "other format": (lambda place: place / "a.png", r"a\.png: is not a table; expected \.csv or \.parquet"),
    "column missing": (
        lambda place: write(place, mask=[None] * 4),
        r"nuts\.csv: has no column mask, only image, label; expected image, mask, label",
    ),
    "semicolons": (
        lambda place: break_(place / "n.csv", b"image;mask;label\na.png;;good\n"),
        "n.csv: its columns are separated by ';'; save it with commas",
    ),
    "no rows": (lambda place: break_(place / "n.csv", b"image,mask,label\n"), "n.csv: has no rows"),
    "nothing": (lambda place: break_(place / "n.csv", b""), "n.csv: cannot be read as a table"),
    "not text": (
        lambda place: break_(place / "n.csv", b"image,mask,label\n\xff\xfe,,good\n"),
        "cannot be read .*UTF-8",
    ),
    "surplus values": (
        lambda place: break_(place / "n.csv", b"image,mask,label\na.png,,good,1\n"),
        "its rows have more values than its header",
    ),
    "ragged": (
        lambda place: break_(place / "n.csv", b"image,mask,label\na.png,,good\na.png,,good,1,2\n"),
        "n.csv: cannot be read as a table",
    ),
    "broken Parquet": (lambda place: break_(place / "n.parquet", b"PAR1 no"), "n.parquet: cannot be read as a table"),
}


@pytest.mark.parametrize(("make", "message"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_table_that_cannot_be_used_is_named(place, make, message):
    path = make(place)
    with pytest.raises(UserError, match=message) as caught:
        index(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
