import math
import shutil

import pandas as pd
import pytest

from tests.conftest import write_category
from xairank.data.mvtec import index_category, split_samples
from xairank.errors import UserError


def index(category):
    return index_category(category.parent, category.name)


def test_lists_every_image_once_with_its_class_and_mask(category):
    table = index(category)
    assert table["label"].value_counts().to_dict() == {"good": 12, "crack": 6, "hole": 6}
    assert table["sample"].is_unique
    assert table["sample"].is_monotonic_increasing
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
    "only good": (
        lambda c: [shutil.rmtree(c / "test" / label) for label in ("crack", "hole")],
        "no defect class",
    ),
    "one class": (
        lambda c: [shutil.rmtree(c / folder) for folder in ("train", "test/good", "test/hole")],
        "only the class crack",
    ),
}


@pytest.mark.parametrize(("breakage", "message"), BREAKAGES.values(), ids=BREAKAGES.keys())
def test_a_broken_category_is_named(category, breakage, message):
    breakage(category)
    with pytest.raises(UserError, match=message) as caught:
        index(category)
    assert "\n" not in str(caught.value)


def test_a_missing_data_folder_says_how_to_get_one(tmp_path):
    with pytest.raises(UserError, match=r"data.root=.*no such folder; download .*mvtec-ad .*data=synthetic"):
        index_category(tmp_path / "nowhere", "hazelnut")


def test_a_missing_category_lists_those_that_are_there(category):
    with pytest.raises(UserError, match=r"data.category=walnut: not in .* which holds nuts"):
        index_category(category.parent, "walnut")


def hazelnut_labels():
    counts = {"good": 431, "crack": 18, "cut": 17, "hole": 18, "print": 17}
    return pd.Series([label for label, count in counts.items() for _ in range(count)])


def test_fold_0_of_5_is_the_released_codes_split_of_hazelnut():
    labels = hazelnut_labels()
    split = split_samples(labels, fold=0, n_folds=5, seed=0)
    assert labels[split == "test"].value_counts().to_dict() == {"good": 87, "crack": 4, "cut": 4, "hole": 4, "print": 4}
    assert labels[split == "train"].value_counts().to_dict() == {
        "good": 344,
        "crack": 14,
        "cut": 13,
        "hole": 14,
        "print": 13,
    }


@pytest.mark.parametrize("n_folds", [2, 3, 5, 17])
def test_over_all_folds_each_sample_is_tested_once_and_each_class_evenly(n_folds):
    labels = hazelnut_labels()
    tested = [split_samples(labels, fold, n_folds, seed=3) == "test" for fold in range(n_folds)]
    assert (sum(mask.astype(int) for mask in tested) == 1).all()
    for label, count in labels.value_counts().items():
        sizes = [int((labels[mask] == label).sum()) for mask in tested]
        assert max(sizes) == math.ceil(count / n_folds)
        assert max(sizes) - min(sizes) <= 1


def test_the_split_depends_on_its_seed_alone():
    labels = hazelnut_labels()
    first = split_samples(labels, 0, 5, seed=0)
    assert first.equals(split_samples(labels, 0, 5, seed=0))
    assert not first.equals(split_samples(labels, 0, 5, seed=1))


def test_fewer_images_than_folds_is_named(tmp_path):
    table = index(write_category(tmp_path / "few", defects=3))
    with pytest.raises(UserError, match=r"data\.n_folds=5 is more than the 3 images of class crack"):
        split_samples(table["label"], 0, 5, 0)
