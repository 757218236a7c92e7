"""Mistakes in the data: folders, images, masks, tables."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from tests.bad_inputs.case import CATEGORY, Case
from tests.bad_inputs.making import (
    CRACK,
    MASKS,
    bomb,
    dangling,
    keep,
    keep_of_crack,
    mask,
    replace,
    save,
    table,
    truncate,
)

FOLDER = "data=folder data.root=null"
CASES = [
    # The place
    Case("a data folder that is not there", arguments="data.root=elsewhere"),
    Case("a category that is not there", arguments="data.category=bolts"),
    Case("a file where the category should be", lambda: replace(CATEGORY)),
    Case("a category without test images", lambda: shutil.rmtree(CATEGORY / "test")),
    Case("a category without masks", lambda: shutil.rmtree(CATEGORY / "ground_truth")),
    Case("an empty class folder", lambda: keep(CRACK, 0)),
    Case("one class only", lambda: [shutil.rmtree(CATEGORY / part) for part in
                                    ("test/crack", "test/hole", "ground_truth/crack", "ground_truth/hole")]),
    Case("one image in a class", lambda: keep_of_crack(1)),
    Case("fewer images than folds", lambda: keep_of_crack(4)),
    Case("a rendered category with other options", arguments="data=synthetic data.image_size=64"),
    Case("a class with a reserved name", lambda: [folder.rename(folder.with_name("overall"))
                                                  for folder in (CRACK, MASKS)]),
    Case("classes that differ in case", lambda: [shutil.copytree(folder, folder.with_name("Crack"))
                                                 for folder in (CRACK, MASKS)]),
    # Images
    Case("a truncated image", lambda: truncate(CRACK / "000.png")),
    Case("an image of zero bytes", lambda: truncate(CRACK / "000.png", 0)),
    Case("a text with an image's name", lambda: (CRACK / "000.png").write_text("hello")),
    Case("a file that is not an image", lambda: (CRACK / "notes.txt").write_text("hello")),
    Case("two images of one name", lambda: shutil.copy(CRACK / "000.png", CRACK / "000.bmp")),
    Case("a folder with an image's name", lambda: replace(CRACK / "000.png", folder=True)),
    Case("a dangling link", lambda: dangling(CRACK / "000.png")),
    Case("an image of 20,000 x 20,000 pixels", bomb),
    Case("an image without its mask", lambda: (MASKS / "000_mask.png").unlink()),
    Case("names that differ in case", lambda: (MASKS / "000_mask.png").rename(MASKS / "000_MASK.png")),
    # Masks
    Case("a mask without its image", lambda: (CRACK / "000.png").unlink()),
    Case("two masks for one image", lambda: shutil.copy(MASKS / "000_mask.png", MASKS / "000.png")),
    Case("a mask of another size", lambda: save(MASKS / "000_mask.png", mask()[:40])),
    Case("a mask with three channels", lambda: save(MASKS / "000_mask.png", np.stack([mask()] * 3, axis=2))),
    Case("a mask with grey values", lambda: save(MASKS / "000_mask.png", np.eye(48, dtype="u1") * 100 + mask() // 2)),
    Case("a threshold out of range", arguments="data.mask_threshold=-1"),
    Case("a threshold that no mask can reach", arguments="data.mask_threshold=255"),
    Case("a threshold above every mask", lambda: [save(path, np.asarray(Image.open(path)) // 255)
                                                  for path in (CATEGORY / "ground_truth").glob("*/*.png")],
         "data.mask_threshold=127"),
    Case("a mask that is all black", lambda: save(MASKS / "000_mask.png", mask() * 0)),
    Case("a mask that is all white", lambda: save(MASKS / "000_mask.png", mask() * 0 + 255)),
    Case("a truncated mask", lambda: truncate(MASKS / "000_mask.png")),
    Case("a mask of zero bytes", lambda: truncate(MASKS / "000_mask.png", 0)),
    Case("three faults at once", lambda: [truncate(CRACK / f"00{i}.png") for i in range(3)]),
    # Tables and folders
    Case("data=folder without a place", arguments=FOLDER),
    Case("images without masks", arguments=f"{FOLDER} data.images=data/nuts/test"),
    Case("a table that is not there", arguments=f"{FOLDER} data.table=table.csv"),
    Case("a table without the column label", lambda: table("image,mask\na.png,\n"),
         f"{FOLDER} data.table=table.csv"),
    Case("a table without rows", lambda: table("image,mask,label\n"), f"{FOLDER} data.table=table.csv"),
    Case("a table that names a missing image", lambda: table("image,mask,label\na.png,,good\n"),
         f"{FOLDER} data.table=table.csv"),
    Case("a table with half a split",
         lambda: table("image,mask,label,split\n" + "".join(
             f"data/nuts/test/crack/00{i}.png,data/nuts/ground_truth/crack/00{i}_mask.png,crack,{split}\n"
             for i, split in enumerate(("train", "test", "")))), f"{FOLDER} data.table=table.csv"),
    Case("a table with the ending of another", lambda: Path("table.parquet").write_text("hello"),
         f"{FOLDER} data.table=table.parquet", quotes_another=True),
]  # fmt: skip
