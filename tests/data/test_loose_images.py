import numpy as np
import pytest
from PIL import Image

from tests.conftest import write_category
from xairank.data.loose_images import find_images
from xairank.errors import UserError


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """Two folders of images with the same names, in the working folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("a/000.png", "a/001.png", "b/000.png", "b/deep/002.jpg"):
        save(tmp_path / "parts" / name)
    (tmp_path / "parts" / "notes.txt").write_text("not an image")
    save(tmp_path / "parts" / ".hidden" / "x.png")
    return tmp_path


def save(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(path)


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        (["parts"], ["a/000", "a/001", "b/000", "b/deep/002"]),
        (["parts/a"], ["000", "001"]),
        (["parts/a/001.png"], ["001"]),
        (["parts/*/000.png"], ["a/000", "b/000"]),
        (["parts/a/*.png"], ["000", "001"]),
        (["parts/**/*.*"], ["a/000", "a/001", "b/000", "b/deep/002"]),
        (["parts/*"], ["a/000", "a/001", "b/000", "b/deep/002"]),
        (["parts/a/000.png", "parts/b/000.png"], ["a/000", "b/000"]),
        (["parts/a", "parts/b/deep"], ["a/000", "a/001", "b/deep/002"]),
        (["parts/a", "parts/a/000.png"], ["000", "001"]),  # twice is once
        (["./parts/../parts/a"], ["000", "001"]),
    ],
)
def test_keys_are_paths_below_the_folder_that_holds_all(parts, given, keys):
    found = find_images(given)
    assert [one.key for one in found] == keys
    for one in found:
        assert one.image.is_file()
        assert one.image.with_suffix("").as_posix().endswith(one.key)


def test_what_an_earlier_call_wrote_is_no_image(parts):
    save(parts / "explanations" / "overlays" / "000.png")
    assert "explanations/overlays/000" in [one.key for one in find_images(["."])]
    found = find_images(["."], without=parts / "explanations")
    assert [one.key for one in found] == ["parts/a/000", "parts/a/001", "parts/b/000", "parts/b/deep/002"]


def test_masks_have_the_images_names_in_the_same_subfolders(parts):
    save(parts / "masks" / "a" / "000.png")
    save(parts / "masks" / "b" / "000_mask.tif")
    found = {one.key: one.mask for one in find_images(["parts"], "masks")}
    assert {key: mask and mask.relative_to("masks").as_posix() for key, mask in found.items()} == {
        "a/000": "a/000.png",
        "a/001": None,
        "b/000": "b/000_mask.tif",
        "b/deep/002": None,
    }


def test_masks_beside_their_images_are_no_images(parts):
    save(parts / "parts" / "a" / "000_mask.png")
    found = find_images(["parts/a"], "parts/a")
    assert [(one.key, one.mask and one.mask.name) for one in found] == [("000", "000_mask.png"), ("001", None)]


def test_one_image_takes_a_mask_file(parts):
    save(parts / "defect.png")
    assert find_images(["parts/a/000.png"], "defect.png")[0].mask.name == "defect.png"


def test_a_category_is_read_as_data_are(tmp_path):
    write_category(tmp_path / "nuts", good=3, defects=2)
    found = {one.key: one.mask for one in find_images([str(tmp_path / "nuts")])}
    defects = {f"{label}/00{number}" for label in ("crack", "hole") for number in (0, 1)}
    assert set(found) == defects | {"train/good/000", "train/good/001", "good/000"}
    assert {key for key, mask in found.items() if mask} == defects


@pytest.mark.parametrize(
    ("given", "masks", "message"),
    [
        (["nowhere"], None, r"^images=nowhere: no such file or folder; "),
        (["parts/*.bmp"], None, r"^images=parts/\*.bmp: no image matches; "),
        (["empty"], None, r"^images=empty: no image in this folder; "),
        (["parts/a", "twice/000.jpg", "twice/000.png"], None, r"000.png: has the same name as .*000.jpg, but for the"),
        (["parts/a"], "nowhere", r"^masks=nowhere: no such file or folder; "),
        (["parts/a"], "defect.png", r"^masks=defect.png: one mask for 2 images; expected a folder "),
        (["parts/a"], "empty", r"^masks=empty: holds no mask of any image; expected, for parts/a/000.png, empty/000.p"),
        (["parts/a"], "double", r"000_mask.png: a second mask beside 000.png for parts/a/000.png; remove one"),
        (["nuts", "parts"], None, r"^images=nuts: is a category with masks in it, which are taken; give it alone"),
        (["nuts"], "nuts/ground_truth", r"^images=nuts: is a category .* without masks=..., or give nuts/test"),
    ],
)
def test_what_cannot_be_found_is_named(parts, given, masks, message):
    (parts / "empty").mkdir()
    save(parts / "defect.png")
    for name in ("twice/000.jpg", "twice/000.png", "double/000.png", "double/000_mask.png"):
        save(parts / name)
    (parts / "nuts" / "test").mkdir(parents=True)
    (parts / "nuts" / "ground_truth").mkdir()
    with pytest.raises(UserError, match=message) as caught:
        find_images(given, masks)
    assert "\n" not in str(caught.value)
