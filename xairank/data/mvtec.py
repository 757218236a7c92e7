"""A category in MVTec AD layout -> one table of samples."""

from pathlib import Path

import pandas as pd

from xairank.data.faults import Faults
from xairank.data.files import class_folders, entries, pair_class
from xairank.data.labels import check_labels
from xairank.errors import UserError
from xairank.schema import GOOD, TEST, TRAIN

CATEGORY_PARTS = (TRAIN, TEST, "ground_truth")  # MVTec AD names its folders as we name splits


def index_category(root: Path, category: str, faults: Faults) -> pd.DataFrame:
    """Lists a category's samples, every defect paired with its mask by name.

    A sample's key is ``class/stem``, and ``train/class/stem`` for the images of ``train/``, since file names restart in
    every folder.

    Returns:
        A row a sample: ``sample``, ``label``, ``image`` (Path), ``mask`` (Path; None for good images, and for a defect
        whose mask is missing, which is a fault).

    Raises:
        UserError: The category, or its folder ``test``, is missing.
    """
    folder = _existing_category(root, category)
    rows: list[tuple[str, str, Path, Path | None]] = []
    places: dict[str, str] = {}
    for part in (TRAIN, TEST):
        if part == TRAIN and not (folder / part).exists():
            continue
        for class_folder in class_folders(folder / part, faults):
            label = class_folder.name
            if part == TRAIN and label != GOOD:
                faults.add(f"{class_folder}: a class of defects in train/; move it into {folder / TEST}")
                continue
            places.setdefault(label, str(class_folder))
            prefix = "train/" if part == TRAIN else ""
            for name, image, mask in pair_class(class_folder, folder / "ground_truth" / label, faults):
                rows.append((f"{prefix}{label}/{name}", label, image, mask))
    check_labels(places, faults)
    _check_truth(folder, faults)
    return pd.DataFrame(rows, columns=["sample", "label", "image", "mask"])


def _check_truth(folder: Path, faults: Faults) -> None:
    """Adds a fault for each folder of masks of a class without images."""
    truth = folder / "ground_truth"
    if not truth.is_dir():
        return
    with faults.collect():
        for masks in entries(truth, "one folder of masks for each class"):
            if masks.is_dir() and not (folder / TEST / masks.name).exists():
                faults.add(f"{masks}: masks without images; add {folder / TEST / masks.name} or remove the masks")


def _existing_category(root: Path, category: str) -> Path:
    folder = root / category
    if folder.is_dir():
        return folder
    if folder.exists():
        raise UserError(f"{folder}: is a file; expected the category's folder with train/, test/ and ground_truth/")
    if (root / "test").is_dir():
        raise UserError(
            f"data.root={root}: is itself a category (it holds test/); set data.root={root.parent} and "
            f"data.category={root.name}"
        )
    if root.is_dir():
        there = ", ".join(sorted(path.name for path in root.iterdir() if path.is_dir())) or "no category"
        raise UserError(f"data.category={category}: not in data.root={root}, which holds {there}; choose one of these")
    raise UserError(
        f"data.root={root}: no such folder; get MVTec AD with data.download=true or python -m xairank.data download "
        f"category={category} root={root}, set data.root=FOLDER, or try data=synthetic, which needs no download"
    )
