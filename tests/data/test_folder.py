import re
import shutil

import pytest

from xairank.data.faults import Faults
from xairank.data.folder import index_folders
from xairank.errors import UserError


@pytest.fixture
def folders(tmp_path):
    """``images/<label>`` and ``masks/<label>``, each image and mask with the text of its name."""
    for label in ("good", "crack", "hole"):
        for name in "abc":
            put(tmp_path / "images" / label / f"{name}.jpg")
            if label != "good":
                put(tmp_path / "masks" / label / f"{name}.png")
    return tmp_path


@pytest.fixture
def flat(tmp_path):
    for name in "abcd":
        put(tmp_path / "images" / f"{name}.jpg")
    for name in "bd":
        put(tmp_path / "masks" / f"{name}_mask.png")
    return tmp_path


def put(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def index(place):
    faults = Faults()
    table = index_folders(place / "images", place / "masks", faults)
    return table, faults.messages


def test_a_folder_a_class(folders):
    table, faults = index(folders)
    assert faults == []
    assert table.columns.tolist() == ["sample", "label", "image", "mask"]
    expected = [
        (f"{label}/{name}", label, folders / f"images/{label}/{name}.jpg", folders / f"masks/{label}/{name}.png")
        for label in ("crack", "hole")
        for name in "abc"
    ]
    expected += [(f"good/{name}", "good", folders / f"images/good/{name}.jpg", None) for name in "abc"]
    assert sorted(table.itertuples(index=False, name=None)) == sorted(expected)


def test_flat_folders_in_which_a_mask_makes_a_defect(flat):
    table, faults = index(flat)
    assert faults == []
    assert dict(zip(table["sample"], table["mask"], strict=True)) == {
        "good/a": None,
        "defect/b": flat / "masks/b_mask.png",
        "good/c": None,
        "defect/d": flat / "masks/d_mask.png",
    }
    assert table["label"].tolist() == [sample.split("/")[0] for sample in table["sample"]]
    assert [image.stem for image in table["image"]] == [sample.split("/")[1] for sample in table["sample"]]


def test_masks_of_an_image_may_carry_mask_in_their_name(folders):
    (folders / "masks/hole/a.png").rename(folders / "masks/hole/a_mask.tiff")
    table, faults = index(folders)
    assert faults == []
    assert table.set_index("sample").loc["hole/a", "mask"].name == "a_mask.tiff"


BREAKAGES = {
    "no mask": (
        lambda c: (c / "masks/hole/b.png").unlink(),
        ["images/hole/b.jpg: its mask .*masks/hole/b_mask.png is"],
    ),
    "no image": (lambda c: (c / "images/hole/b.jpg").unlink(), ["masks/hole/b.png: a mask without its image"]),
    "two masks": (lambda c: put(c / "masks/hole/b_mask.png"), ["b_mask.png: a second mask beside b.png"]),
    "no masks of a class": (lambda c: shutil.rmtree(c / "masks/hole"), ["masks/hole: no such folder"]),
    "no images of a class": (lambda c: shutil.rmtree(c / "images/hole"), ["masks/hole: masks without images"]),
    "an empty class": (
        lambda c: [path.unlink() for path in (c / "images/hole").iterdir()],
        ["images/hole: the class folder is empty"],
    ),
    "masks of good images": (lambda c: put(c / "masks/good/a.png"), ["masks/good: masks of good images"]),
    "loose files": (
        lambda c: [put(c / "images/x.png"), put(c / "masks/x.png")],
        ["images/x.png: outside a class folder", "masks/x.png: outside a class folder"],
    ),
    "two faults": (
        lambda c: [(c / "masks/crack/a.png").unlink(), put(c / "images/hole/x.txt")],
        ["images/crack/a.jpg: its mask", "x.txt: not an image"],
    ),
}


@pytest.mark.parametrize(("breakage", "messages"), BREAKAGES.values(), ids=BREAKAGES.keys())
def test_every_fault_is_named(folders, breakage, messages):
    breakage(folders)
    _, faults = index(folders)
    assert len(faults) == len(messages)
    for fault, message in zip(faults, messages, strict=True):
        assert re.search(message, fault)


def test_a_mask_without_image_in_flat_folders_is_named(flat):
    put(flat / "masks/x.png")
    _, faults = index(flat)
    assert faults == [f"{flat / 'masks/x.png'}: a mask without its image; remove the mask or add the image"]


@pytest.mark.parametrize("name", ["images", "masks"])
@pytest.mark.parametrize(
    ("put_there", "message"), [(False, "no such folder; expected {}"), (True, "is a file; expected a folder of {}")]
)
def test_a_folder_that_is_none_is_named(folders, name, put_there, message):
    shutil.rmtree(folders / name)
    if put_there:
        put(folders / name)
    with pytest.raises(UserError, match=f"{name}: {message.format(name)}"):
        index(folders)
