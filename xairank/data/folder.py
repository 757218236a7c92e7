"""A folder of images and a folder of masks -> one table of samples."""

from pathlib import Path

import pandas as pd

from xairank.data.faults import Faults
from xairank.data.files import class_folders, entries, images_in, masks_in, pair, pair_class
from xairank.data.labels import check_labels
from xairank.schema import GOOD

DEFECT = "defect"
Row = tuple[str, str, Path, Path | None]


def index_folders(images: Path, masks: Path, faults: Faults) -> pd.DataFrame:
    """Lists the samples of a pair of folders, in one of two layouts.

    - A folder a class: ``images/<label>/NAME.jpg`` and ``masks/<label>/NAME.png``. The class ``good`` has no masks,
      every image of another class has one.
    - Flat, if ``images`` holds no folder: ``images/NAME.jpg`` and ``masks/NAME.png``. An image with a mask is of class
      ``defect``, one without is ``good``.

    A mask has the name of its image, or that name followed by ``_mask``, whatever the suffix of each.

    Returns:
        A row a sample, as :func:`xairank.data.mvtec.index_category`; the key is ``class/stem``.

    Raises:
        UserError: One of the folders is missing, a file, or not readable.
    """
    labels = [path for path in entries(images, "images, or one folder of images for each class") if path.is_dir()]
    entries(masks, "masks, or one folder of masks for each class of defects")
    rows = _index_classes(images, masks, faults) if labels else _index_flat(images, masks, faults)
    return pd.DataFrame(rows, columns=["sample", "label", "image", "mask"])


def _index_classes(images: Path, masks: Path, faults: Faults) -> list[Row]:
    classes = class_folders(images, faults)
    check_labels({folder.name: str(folder) for folder in classes}, faults)
    rows = [
        (f"{folder.name}/{name}", folder.name, image, mask)
        for folder in classes
        for name, image, mask in pair_class(folder, masks / folder.name, faults)
    ]
    labels = {folder.name for folder in classes} - {GOOD}
    for path in class_folders(masks, faults):
        if path.name == GOOD:
            faults.add(
                f"{path}: masks of good images, which need none; move images with a defect to a class of defects"
            )
        elif path.name not in labels:
            faults.add(f"{path}: masks without images; add {images / path.name} or remove the masks")
    return rows


def _index_flat(images: Path, masks: Path, faults: Faults) -> list[Row]:
    found, truth = images_in(images, faults), masks_in(masks, faults)
    with_mask = {name: image for name, image in found.items() if name in truth}
    defects = pair(with_mask, truth, masks, faults)
    rows: list[Row] = [(f"{DEFECT}/{name}", DEFECT, image, mask) for name, image, mask in defects]
    return rows + [(f"{GOOD}/{name}", GOOD, image, None) for name, image in found.items() if name not in truth]
