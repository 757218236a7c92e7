"""A rendered category as a folder in MVTec layout."""

import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path

import numpy as np
from PIL import Image

from xairank.data.synthetic.defects import DEFECTS
from xairank.data.synthetic.scan import DISTRACTORS, render
from xairank.errors import UserError
from xairank.files import remove_leftovers, temporary_beside
from xairank.progress import Track, untracked

RENDERER = 1  # raise it with every change of the pixels
MANY = 50  # from this number of images, a progress bar and worker processes, which take a second to start, pay off


@dataclass(frozen=True)
class SyntheticCategory:
    """Everything that determines a rendered category; the keys of ``data.synthetic``.

    Attributes:
        good: Number of images of sound nuts; one in eleven goes to the test folder, as in the real category.
        defects: Number of images of each class of defect.
        image_size: Width and height of the images, in pixels, from 32 to 1024.
        seed: Of all that is random.
        distractor: ``sticker`` puts a label that says nothing about the class into every image, never on a defect.

    Raises:
        UserError: If a value is of another type or out of range.
    """

    good: int = 431
    defects: Mapping[str, int] = field(default_factory=lambda: {"crack": 18, "cut": 17, "hole": 18, "print": 17})
    image_size: int = 256
    seed: int = 0
    distractor: str = "none"

    def __post_init__(self) -> None:
        if not isinstance(self.defects, Mapping):
            raise UserError(f"data.synthetic.defects={self.defects} must be a number of images for each defect")
        object.__setattr__(self, "defects", dict(self.defects))
        unknown = sorted(set(self.defects) - set(DEFECTS))
        if unknown:
            raise UserError(f"data.synthetic.defects.{unknown[0]} is unknown: choose from {', '.join(DEFECTS)}")
        if self.distractor not in DISTRACTORS:
            raise UserError(f"data.synthetic.distractor={self.distractor} must be one of {', '.join(DISTRACTORS)}")
        values = {key: value for key, value in self.specification().items() if key not in ("renderer", "distractor")}
        for key, value in values.items():
            low, high = (32, 1024) if key == "image_size" else (0, 2**32 - 1)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise UserError(f"data.synthetic.{key}={value} must be an integer from {low} to {high}")
        if not any(self.samples()):
            raise UserError("data.synthetic.good and data.synthetic.defects add up to no image; expected at least one")

    def specification(self) -> dict[str, int | str]:
        """Everything that determines the files, a plain value a key."""
        return {
            "renderer": RENDERER,
            "good": self.good,
            **{f"defects.{label}": count for label, count in sorted(self.defects.items())},
            "image_size": self.image_size,
            "seed": self.seed,
            "distractor": self.distractor,
        }

    def samples(self) -> Iterator[tuple[str, int]]:
        """Class and number of each image."""
        tested = round(self.good * 40 / 431)  # the share of the real category
        counts = {"train/good": self.good - tested, "test/good": tested, **self.defects}
        return ((label, index) for label, count in counts.items() for index in range(count))


def render_category(
    folder: Path, category: SyntheticCategory, workers: int | None = None, track: Track = untracked
) -> None:
    """Renders a category into ``folder``, unless it is already there; whole or not at all.

    Args:
        folder: ``<data.root>/<data.category>``; its parents are made.
        category: What to render.
        workers: Number of processes; None: one for each processor. The files do not depend on it.
        track: Shows progress, if there are images enough to wait for.

    Raises:
        UserError: If ``folder`` holds anything else, or cannot be written.
    """
    if is_rendered(folder, category):
        return
    remove_leftovers(folder.parent)
    temporary = temporary_beside(folder)
    try:
        temporary.mkdir(parents=True)
        samples = list(category.samples())
        draw = partial(render_file, temporary, category)
        done = draw_all(draw, samples, workers or os.cpu_count() or 1)
        for _ in (track if len(samples) >= MANY else untracked)(done, len(samples)):
            pass
        specification = json.dumps(category.specification(), indent=2) + "\n"
        (temporary / "synthetic.json").write_text(specification, encoding="utf-8")
        try:
            temporary.rename(folder)
        except OSError:
            if not is_rendered(folder, category):  # else another process was faster
                raise
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written: {error.strerror or error}; free disk space or choose another data.root"
        ) from error
    except BrokenProcessPool as error:
        raise UserError(f"{folder}: a rendering process was killed; free memory and run again") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def is_rendered(folder: Path, category: SyntheticCategory) -> bool:
    """Whether ``folder`` holds exactly this category.

    Raises:
        UserError: If it holds another one, or something that was not rendered.
    """
    if not (folder.exists() or folder.is_symlink()):
        return False
    advice = "delete it or choose another data.root or data.category"
    path = folder / "synthetic.json"
    if not path.is_file():
        raise UserError(f"{folder} exists and was not rendered (no synthetic.json), so it is not overwritten: {advice}")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is unreadable ({error}): {advice}") from error
    if not isinstance(found, dict):
        raise UserError(f"{path} holds no specification of a rendered category: {advice}")
    wanted = category.specification()
    for key in [*wanted, *found]:
        if found.get(key) != wanted.get(key):
            raise UserError(f"{folder} was rendered with {key}={found.get(key)}, not {wanted.get(key)}: {advice}")
    return True


def draw_all(draw: "partial[None]", samples: list[tuple[str, int]], workers: int) -> Iterator[None]:
    """Calls ``draw`` with every sample, in this process or in ``workers`` others."""
    if workers == 1 or len(samples) < MANY:
        yield from map(draw, samples)
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), follow_parent)
    try:
        yield from pool.map(draw, samples, chunksize=8)
    finally:
        pool.shutdown(cancel_futures=True)


def follow_parent() -> None:
    """Leaves Ctrl-C to the parent, which ends its workers, and ends with a parent that was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # no stack trace of each of them
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := parent_process():
        parent.join()
        os._exit(1)


def render_file(root: Path, category: SyntheticCategory, sample: tuple[str, int]) -> None:
    """Writes the image of one sample below ``root``, and its mask if it has a defect."""
    label, index = sample
    image, mask = render(category.seed, label, index, category.image_size, category.distractor)
    good = label.endswith("good")
    save(image, root / (label if good else f"test/{label}") / f"{index:03d}.png")
    if not good:
        save(mask.astype(np.uint8) * 255, root / "ground_truth" / label / f"{index:03d}_mask.png")


def save(pixels: np.ndarray, path: Path) -> None:
    """Writes a PNG, which compresses little harder than necessary: noise does not shrink."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, compress_level=1)
