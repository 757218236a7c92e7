"""A category in MVTec AD layout -> one table of samples, checked and split."""

from pathlib import Path

import numpy as np
import pandas as pd

from xairank.errors import UserError

GOOD = "good"
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"})


def index_category(root: Path, category: str) -> pd.DataFrame:
    """Lists a category's samples, every defect paired with its mask by name.

    A sample's key is ``class/stem``, and ``train/class/stem`` for the images of ``train/``, since file names restart in
    every folder.

    Returns:
        A row a sample, sorted by key: ``sample``, ``label``, ``image`` (Path), ``mask`` (Path, or None for
        good images).

    Raises:
        UserError: A folder is missing or empty, an image lacks its mask, or a mask its image.
    """
    folder = _existing_category(root, category)
    rows: list[dict[str, object]] = []
    for part in ("train", "test"):
        for class_folder in _class_folders(folder / part, required=part == "test"):
            label = class_folder.name
            masks = {} if label == GOOD else _masks(folder / "ground_truth" / label)
            for image in _images(class_folder):
                sample = f"{label}/{image.stem}" if part == "test" else f"{part}/{label}/{image.stem}"
                rows.append({"sample": sample, "label": label, "image": image, "mask": masks.pop(image.stem, None)})
            _check_pairs(class_folder, masks, rows)
    table = pd.DataFrame(rows).sort_values("sample", ignore_index=True)
    _check_classes(folder, table)
    return table


def split_samples(labels: pd.Series, fold: int, n_folds: int, seed: int) -> pd.Series:
    """Stratified folds: ``test`` for the samples of ``fold``, ``train`` for the others.

    Each class is shuffled by itself and dealt out in turn, so that a class tests ``ceil(count / n_folds)`` samples in
    the first fold: fold 0 of 5 of hazelnut is the released code's 87 good and 4 of each defect. Over all folds every
    sample is tested exactly once. Depends on ``seed``, the class's name and its count alone.

    Raises:
        UserError: A class has fewer samples than there are folds.
    """
    split = pd.Series("train", index=labels.index, dtype=object)
    for label, members in labels.groupby(labels).groups.items():
        if len(members) < n_folds:
            raise UserError(
                f"data.n_folds={n_folds} is more than the {len(members)} images of class {label}; lower data.n_folds "
                "or add images"
            )
        generator = np.random.default_rng([seed, *str(label).encode()])
        split[members[generator.permutation(len(members))[fold::n_folds]]] = "test"
    return split


def _existing_category(root: Path, category: str) -> Path:
    folder = root / category
    if folder.is_dir():
        return folder
    if folder.exists():
        raise UserError(f"{folder}: is a file; expected the category's folder with train/, test/ and ground_truth/")
    if root.is_dir():
        there = ", ".join(sorted(path.name for path in root.iterdir() if path.is_dir())) or "no category"
        raise UserError(f"data.category={category}: not in data.root={root}, which holds {there}; choose one of these")
    raise UserError(
        f"data.root={root}: no such folder; download MVTec AD from "
        f"https://www.mvtec.com/company/research/datasets/mvtec-ad and unpack it so that {folder / 'test'} exists, "
        "set data.root=FOLDER, or try data=synthetic, which needs no download"
    )


def _class_folders(folder: Path, required: bool) -> list[Path]:
    if not folder.is_dir():
        if required:
            raise UserError(f"{folder}: no such folder; expected one folder of images for each class in it")
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _images(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    if not files:
        raise UserError(f"{folder}: the class folder is empty; put images in it or delete it")
    by_stem: dict[str, Path] = {}
    for path in files:
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            raise UserError(f"{path}: not an image; expected {', '.join(sorted(IMAGE_SUFFIXES))}; move it elsewhere")
        if path.stem in by_stem:
            raise UserError(f"{path}: has the same name as {by_stem[path.stem].name}; rename or remove one of them")
        by_stem[path.stem] = path
    return files


def _masks(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; expected a mask NAME_mask.png for each image of the class")
    masks: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        stem = path.stem.removesuffix("_mask")
        if stem in masks:
            raise UserError(f"{path}: a second mask beside {masks[stem].name} for the same image; remove one of them")
        masks[stem] = path
    return masks


def _check_pairs(class_folder: Path, unused_masks: dict[str, Path], rows: list[dict[str, object]]) -> None:
    if class_folder.name == GOOD:
        return
    for row in rows:
        image = row["image"]
        if isinstance(image, Path) and image.parent == class_folder and row["mask"] is None:
            expected = class_folder.parents[1] / "ground_truth" / class_folder.name / f"{image.stem}_mask.png"
            raise UserError(f"{image}: its mask {expected} is missing; add the mask or remove the image")
    for mask in unused_masks.values():
        raise UserError(f"{mask}: a mask without its image in {class_folder}; remove the mask or add the image")


def _check_classes(folder: Path, table: pd.DataFrame) -> None:
    classes = set(table["label"])
    if classes <= {GOOD}:
        raise UserError(f"{folder}: no defect class; expected folders of defects in {folder / 'test'}")
    if len(classes) < 2:
        raise UserError(f"{folder}: only the class {classes.pop()}; a classifier needs at least two classes")
