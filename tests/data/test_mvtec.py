import os
import shutil

import pytest

from xairank.data import mvtec
from xairank.data.faults import Faults
from xairank.errors import UserError


def index_category(root, category):
    """As training does: stops at the first fault."""
    faults = Faults()
    table = mvtec.index_category(root, category, faults)
    faults.stop()
    return table


def index(category):
    return index_category(category.parent, category.name)


def test_lists_every_image_once_with_its_class_and_mask(category):
    table = index(category)
    assert table["label"].value_counts().to_dict() == {"good": 12, "crack": 6, "hole": 6}
    assert table["sample"].is_unique
    row = table.set_index("sample").loc["hole/003"]
    assert row["image"] == category / "test" / "hole" / "003.png"
    assert row["mask"] == category / "ground_truth" / "hole" / "003_mask.png"
    assert table.loc[table["label"] == "good", "mask"].isna().all()
    assert {"good/000", "train/good/000"} <= set(table["sample"])


def test_masks_are_paired_by_name_not_by_position(category):
    truth = category / "ground_truth" / "crack"
    (truth / "000_mask.png").rename(truth / "000.png")  # sorts elsewhere, same stem
    table = index(category).set_index("sample")
    assert table.loc["crack/000", "mask"].name == "000.png"
    assert table.loc["crack/001", "mask"].name == "001_mask.png"


def test_hidden_files_are_ignored(category):
    (category / "test" / "crack" / ".DS_Store").touch()
    (category / "ground_truth" / "crack" / ".DS_Store").touch()
    assert len(index(category)) == 24


def test_a_real_category_is_complete(shared):
    table = index_category(shared / "data" / "mvtec", "transistor")
    assert table["label"].value_counts().to_dict() == {
        "good": 273,
        "bent_lead": 10,
        "cut_lead": 10,
        "damaged_case": 10,
        "misplaced": 10,
    }


BREAKAGES = {
    "mask missing": (
        lambda c: (c / "ground_truth/crack/001_mask.png").unlink(),
        "test/crack/001.png: its mask .*ground_truth/crack/001_mask.png is missing",
    ),
    "image missing": (lambda c: (c / "test/crack/001.png").unlink(), "001_mask.png: a mask without its image"),
    "two masks": (
        lambda c: shutil.copy(c / "ground_truth/crack/001_mask.png", c / "ground_truth/crack/001.png"),
        "001_mask.png: a second mask beside 001.png",
    ),
    "two images": (
        lambda c: shutil.copy(c / "test/crack/001.png", c / "test/crack/001.bmp"),
        "001.png: has the same name as 001.bmp",
    ),
    "empty class": (
        lambda c: [path.unlink() for path in (c / "test/crack").iterdir()],
        "test/crack: the class folder is empty",
    ),
    "no masks": (lambda c: shutil.rmtree(c / "ground_truth/crack"), "ground_truth/crack: no such folder"),
    "no test folder": (lambda c: shutil.rmtree(c / "test"), "test: no such folder"),
    "stray file": (lambda c: (c / "test/crack/notes.txt").touch(), "notes.txt: not an image"),
    "folder among images": (lambda c: (c / "test/crack/x.png").mkdir(), "crack/x.png: is a folder"),
    "image outside": (
        lambda c: shutil.copy(c / "test/crack/001.png", c / "test/001.png"),
        "test/001.png: outside a class folder",
    ),
    "file for a folder": (
        lambda c: [shutil.rmtree(c / "test"), (c / "test").touch()],
        "test: is a file; expected a folder",
    ),
    "file for a folder of masks": (
        lambda c: [shutil.rmtree(c / "ground_truth/crack"), (c / "ground_truth/crack").touch()],
        "ground_truth/crack: is a file; expected a folder of masks",
    ),
    "dangling link": (
        lambda c: os.symlink(c / "gone.png", c / "test/crack/900.png"),
        "crack/900.png: is a broken link",
    ),
    "dangling link to a folder": (
        lambda c: [shutil.rmtree(c / "test"), os.symlink(c / "gone", c / "test")],
        "test: is a broken link",
    ),
    "names differ in case": (
        lambda c: (
            (c / "test/crack/001.png").rename(c / "test/crack/x.png")
            and (c / "ground_truth/crack/001_mask.png").rename(c / "ground_truth/crack/X_mask.png")
        ),
        r"crack/x.png: its mask .*x_mask.png is missing; X_mask.png differs in case: rename one",
    ),
    "defects for training": (
        lambda c: shutil.copytree(c / "test/crack", c / "train/crack"),
        "train/crack: a class of defects in train/; move it into .*test",
    ),
    "masks without a class": (
        lambda c: shutil.rmtree(c / "test/crack"),
        "ground_truth/crack: masks without images; add .*test/crack",
    ),
}


@pytest.mark.parametrize(("breakage", "message"), BREAKAGES.values(), ids=BREAKAGES.keys())
def test_a_broken_category_is_named(category, breakage, message):
    breakage(category)
    with pytest.raises(UserError, match=message) as caught:
        index(category)
    assert "\n" not in str(caught.value)
    assert "more fault" not in str(caught.value)


def test_a_missing_data_folder_says_how_to_get_one(tmp_path):
    with pytest.raises(
        UserError, match=r"data.root=.*no such folder; get MVTec AD with .*download category=hazelnut .*data=synthetic"
    ):
        index_category(tmp_path / "nowhere", "hazelnut")


def test_a_missing_category_lists_those_that_are_there(category):
    with pytest.raises(UserError, match=r"data.category=walnut: not in .* which holds nuts"):
        index_category(category.parent, "walnut")


def test_every_fault_is_collected_and_the_rest_is_listed(category):
    (category / "ground_truth/crack/001_mask.png").unlink()
    (category / "test/hole/002.png").unlink()
    (category / "test/good/notes.txt").touch()
    faults = Faults()
    table = mvtec.index_category(category.parent, category.name, faults)
    assert len(table) == 23
    assert table.set_index("sample").loc["crack/001", "mask"] is None
    assert len(faults.messages) == 3
    for message, part in zip(faults.messages, ["crack/001.png", "notes.txt", "hole/002_mask.png"], strict=True):
        assert part in message


@pytest.mark.parametrize("name", ["Nuß№1", "x" * 245, "a b,c=d"])
def test_unusual_names_are_paired(category, name):
    (category / "test/crack/001.png").rename(category / f"test/crack/{name}.png")
    (category / "ground_truth/crack/001_mask.png").rename(category / f"ground_truth/crack/{name}.png")
    row = index(category).set_index("sample").loc[f"crack/{name}"]
    assert row["mask"].name == f"{name}.png"


def test_composed_and_decomposed_letters_are_the_same_name(category):
    (category / "test/crack/001.png").rename(category / "test/crack/n\u00fc.png")
    (category / "ground_truth/crack/001_mask.png").rename(category / "ground_truth/crack/nu\u0308_mask.png")
    assert index(category).set_index("sample").loc["crack/n\u00fc", "mask"].name == "nu\u0308_mask.png"


def test_suffixes_may_be_upper_case(category):
    (category / "test/crack/001.png").rename(category / "test/crack/001.PNG")
    assert "crack/001" in set(index(category)["sample"])


def test_a_folder_that_may_not_be_read_is_named(category, monkeypatch):
    original = mvtec.Path.iterdir

    def refuse(self):
        if self.name == "crack":
            raise PermissionError(13, "Permission denied")
        return original(self)

    monkeypatch.setattr(mvtec.Path, "iterdir", refuse)
    with pytest.raises(UserError, match=r"test/crack: cannot be read \(Permission denied\); expected images in it"):
        index(category)
