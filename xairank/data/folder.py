"""A folder of images beside a folder of masks -> one table of samples."""

from pathlib import Path

import pandas as pd

from xairank.data.faults import Faults
from xairank.data.files import GOOD, class_folders, entries, images_in, is_image, masks_in, pair

DEFECT = "defect"


def index_folders(images: Path, masks: Path, faults: Faults) -> pd.DataFrame:
    """Lists the samples of a pair of folders, in one of two layouts.

    - A folder a class: ``images/<label>/NAME.jpg`` and ``masks/<label>/NAME.png``. The class ``good`` has no masks,
      every image of another class has one.
    - Flat, if ``images`` holds no folder: ``images/NAME.jpg`` and ``masks/NAME.png``. An image with a mask is of class
      ``defect``, one without is ``good``.

    A mask is called like its image, or like its image with ``_mask`` behind, whatever the suffix of each.

    Returns:
        A row a sample, as :func:`xairank.data.mvtec.index_category`; the key is ``class/stem``.

    Raises:
        UserError: One of the folders is missing, a file, or may not be read.
    """
    labels = [path for path in entries(images, "images, or one folder of images for each class") if path.is_dir()]
    entries(masks, "masks, or one folder of masks for each class of defects")
    rows = _index_classes(images, masks, faults) if labels else _index_flat(images, masks, faults)
    return pd.DataFrame(rows, columns=["sample", "label", "image", "mask"])


def _index_classes(images: Path, masks: Path, faults: Faults) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    classes = class_folders(images, faults)
    for folder in classes:
        with faults.collect():
            found = images_in(folder, faults)
            paired: list[Path | None] = [None] * len(found)
            if folder.name != GOOD:
                with faults.collect():
                    paired = pair(found, masks_in(masks / folder.name, faults), masks / folder.name, faults)
            rows += [_row(folder.name, *item) for item in zip(found.items(), paired, strict=True)]
    labels = {folder.name for folder in classes} - {GOOD}
    for path in entries(masks, "one folder of masks for each class of defects"):
        if path.name == GOOD:
            faults.add(f"{path}: masks of good images; an image with a defect has another class, others need no mask")
        elif path.is_dir() and path.name not in labels:
            faults.add(f"{path}: masks without images; add {images / path.name} or remove the masks")
        elif is_image(path):
            faults.add(f"{path}: a mask outside of a class folder; move it into the folder of its class")
    return rows


def _index_flat(images: Path, masks: Path, faults: Faults) -> list[dict[str, object]]:
    found, truth = images_in(images, faults), masks_in(masks, faults)
    defects = {name: image for name, image in found.items() if name in truth}
    paired = dict(zip(defects, pair(defects, truth, masks, faults), strict=True))
    return [_row(DEFECT if name in paired else GOOD, (name, image), paired.get(name)) for name, image in found.items()]


def _row(label: str, named: tuple[str, Path], mask: Path | None) -> dict[str, object]:
    name, image = named
    return {"sample": f"{label}/{name}", "label": label, "image": image, "mask": mask}
