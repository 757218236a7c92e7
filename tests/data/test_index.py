import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import write_category
from xairank.data.faults import Faults
from xairank.data.index import Source, index_samples


@pytest.fixture
def sources(category):
    """The tiny category, and the same files as a table and as a pair of folders."""
    root = category.parents[1]
    for label in ("crack", "hole"):
        shutil.copytree(category / "test" / label, root / "images" / label)
        shutil.copytree(category / "ground_truth" / label, root / "masks" / label)
    shutil.copytree(category / "train" / "good", root / "images" / "good")
    for path in (category / "test" / "good").iterdir():
        shutil.copy(path, root / "images" / "good" / f"t{path.name}")
    rows = [
        (path, root / "masks" / path.parent.name / f"{path.stem}_mask.png", path.parent.name)
        for path in sorted((root / "images").glob("*/*"))
    ]
    table = pd.DataFrame(rows, columns=["image", "mask", "label"])
    table.loc[table["label"] == "good", "mask"] = ""
    table.to_csv(root / "nuts.csv", index=False)
    return {
        "root": Source("nuts", root=category.parent),
        "table": Source("nuts", table=root / "nuts.csv"),
        "folders": Source("nuts", images=root / "images", masks=root / "masks"),
    }


@pytest.mark.parametrize("kind", ["root", "table", "folders"])
def test_every_layout_ends_in_the_same_table(sources, kind):
    faults = Faults()
    table = index_samples(sources[kind], faults)
    assert faults.messages == []
    assert table.columns.tolist() == ["sample", "label", "image", "mask"]
    assert table["sample"].is_monotonic_increasing
    assert table["label"].value_counts().to_dict() == {"good": 12, "crack": 6, "hole": 6}
    for row in table.itertuples():
        assert row.image.is_file()
        if row.label == "good":
            assert row.mask is None
        else:
            assert row.mask.name == f"{row.image.stem}_mask.png"
            assert row.mask.parent.name == row.label


def test_one_defect_class_with_good_images_will_do(tmp_path):
    folder = write_category(tmp_path / "nuts")
    for part in ("test", "ground_truth"):
        shutil.rmtree(folder / part / "hole")
    faults = Faults()
    assert set(index_samples(Source("nuts", root=tmp_path), faults)["label"]) == {"good", "crack"}
    assert faults.messages == []


def test_two_defect_classes_need_no_good_images(tmp_path):
    folder = write_category(tmp_path / "nuts")
    shutil.rmtree(folder / "train")
    shutil.rmtree(folder / "test" / "good")
    faults = Faults()
    assert set(index_samples(Source("nuts", root=tmp_path), faults)["label"]) == {"crack", "hole"}
    assert faults.messages == []


@pytest.mark.parametrize(
    ("labels", "message"),
    [([], "no images"), (["good"], "no defect class, only good"), (["crack"], "only the class crack")],
)
def test_too_few_classes_are_a_fault(tmp_path, labels, message):
    folder = write_category(tmp_path / "nuts")
    for path in [*folder.glob("*/*")]:
        if path.name not in labels:
            shutil.rmtree(path)
    faults = Faults()
    index_samples(Source("nuts", root=tmp_path), faults)
    assert len(faults.messages) == 1
    assert faults.messages[0].startswith(f"{folder}: {message}")


def test_options_are_the_keys_of_the_configuration():
    options = {"category": "nuts", "root": None, "table": "~/nuts.csv", "images": None, "masks": None, "fold": 3}
    assert Source.from_options(options) == Source("nuts", table=Path.home() / "nuts.csv")


def test_the_check_command_can_be_pasted():
    source = Source("nuts", images=Path("my data/images"), masks=Path("masks"))
    command = "python -m xairank.data check category=nuts 'images=my data/images' masks=masks"
    assert source.check_command(mask_threshold=None) == command
    assert source.check_command(mask_threshold=0) == f"{command} mask_threshold=0"
