"""A rendered data set in two folders, images and masks, as people have their own: for trying things out."""

import shutil
from pathlib import Path

from xairank.data.synthetic import SyntheticCategory, render_category
from xairank.errors import UserError
from xairank.files import temporary_beside
from xairank.progress import Track, untracked
from xairank.schema import GOOD

EXAMPLE = SyntheticCategory(good=60, defects={"hole": 30, "print": 30}, image_size=96)


def write_example(folder: Path, category: SyntheticCategory = EXAMPLE, track: Track = untracked) -> None:
    """Renders ``folder/images/<class>/NAME.png`` and, of defects, ``folder/masks/<class>/NAME.png``.

    Args:
        folder: New; its parents are made.
        category: What to render.
        track: Shows progress.

    Raises:
        UserError: The folder exists, or cannot be written.
    """
    if folder.exists():
        raise UserError(f"{folder}: already exists; delete it, or choose another folder=...")
    rendered, whole = temporary_beside(folder.with_name(f"{folder.name}-rendered")), temporary_beside(folder)
    try:
        render_category(rendered, category, track=track)
        for path in sorted(rendered.glob("*/*/*.png")):
            part, label, name = path.parts[-3:]
            kind, target = ("masks", name.replace("_mask", "")) if part == "ground_truth" else ("images", name)
            if label == GOOD:
                target = f"{part}-{name}"  # numbered in train and in test
            place = whole / kind / label / target
            place.parent.mkdir(parents=True, exist_ok=True)
            path.rename(place)
        whole.rename(folder)
    finally:
        shutil.rmtree(rendered, ignore_errors=True)
        shutil.rmtree(whole, ignore_errors=True)
