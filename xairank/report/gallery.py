"""The gallery of a report: every image, ranked or not, with its mask and the maps of all methods.

It is a folder of plain files that a page shows from disk: an index that is read at once, pictures that are loaded when
they are seen, and maps that are loaded when an image is opened. No script reads a file; each hands its content over.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from xairank.explanations.overlay import COVER, MAP_COLORS
from xairank.figures.style import MethodStyle, method_styles
from xairank.files import remove_leftovers, temporary_beside
from xairank.names import display_name
from xairank.progress import Track, untracked
from xairank.report.gallery_group import GroupWriter
from xairank.report.gallery_index import OUTCOMES, RANKED, run_labels
from xairank.report.sample_files import write_script
from xairank.runs.group import Group, all_methods
from xairank.schema import SPLITS

FOLDER = "gallery"  # within the report
STYLES = ("gallery.css",)
SCRIPTS = (
    "gallery_pixels.js",
    "gallery_state.js",
    "gallery_cards.js",
    "gallery_panels.js",
    "gallery_viewer.js",
    "gallery.js",
)
_COMMON = 0.95  # quantile of the maps' brightest values that is the brightest colour of all: a single one would dim all


@dataclass(frozen=True)
class GalleryFacts:
    """What a page says of its gallery, and what it must load.

    Attributes:
        n_images: The number of images.
        n_ranked: Of these, how many a run ranked.
        n_bytes: Size of the gallery's folder.
        styles: Style sheets, as paths within the report.
        scripts: Plain scripts in their order, as paths within the report; to be loaded with ``defer``.
        remarks: What is not shown, and why, a sentence each.
    """

    n_images: int = 0
    n_ranked: int = 0
    n_bytes: int = 0
    styles: tuple[str, ...] = tuple(f"{FOLDER}/{name}" for name in STYLES)
    scripts: tuple[str, ...] = (f"{FOLDER}/data.js", *(f"{FOLDER}/{name}" for name in SCRIPTS))
    remarks: list[str] = field(default_factory=list)


def write_gallery(folder: Path, groups: Sequence[Group], track: Track = untracked) -> GalleryFacts:
    """Writes ``gallery/`` into a report's folder; what was there is replaced when all is written.

    The page needs ``<section id="gallery">``, and the styles and scripts that the facts name.

    Args:
        folder: Of the report.
        groups: Of a sweep.
        track: Told, group by group, which runs are done: a run takes some seconds.

    Raises:
        UserError: A file of maps cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    place = folder / FOLDER
    temporary = temporary_beside(place)
    temporary.mkdir()
    try:
        facts = _write(temporary, groups, track)
        shutil.rmtree(place, ignore_errors=True)
        temporary.replace(place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return facts


def _write(place: Path, groups: Sequence[Group], track: Track) -> GalleryFacts:
    images: list[dict[str, Any]] = []
    remarks: list[str] = []
    described = []
    styles = method_styles(all_methods(groups))  # those of the report's figures
    for number, group in enumerate(groups):
        writer = GroupWriter(place, number, group, len(images))
        records = writer.write(track)
        described.append(_describe(group, records, styles))
        images += records
        remarks += [f"{group.name}: {line}" if group.name else line for line in writer.remarks]
    index = {
        "outcomes": {name: {"label": label, "why": why} for name, (label, why) in OUTCOMES.items()},
        "splits": SPLITS,
        "classes": {name: display_name(name) for name in _classes(images)},
        "colors": bytes((mpl.colormaps[MAP_COLORS](np.arange(256))[:, :3] * 255).round().astype(np.uint8)).hex(),
        "cover": COVER,
        "repeat": groups[0].repeat,
        "groups": described,
        "images": images,
    }
    write_script(place / "data.js", "var xairankGalleryData = ", index)
    for name in (*STYLES, *SCRIPTS):
        shutil.copyfile(Path(__file__).with_name(name), place / name)
    n_ranked = sum(any(run["outcome"] == RANKED for run in image["runs"]) for image in images)
    n_bytes = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    return GalleryFacts(len(images), n_ranked, n_bytes, remarks=remarks)


def _classes(images: Sequence[dict[str, Any]]) -> list[str]:
    predicted = {run["predicted"] for image in images for run in image["runs"]}
    return sorted(predicted | {image["label"] for image in images})


def _describe(group: Group, records: Sequence[dict[str, Any]], styles: Mapping[str, MethodStyle]) -> dict[str, Any]:
    """What the page says of a group: methods with the value that is the brightest colour of all images, and runs."""
    shown = [run["brightest"] for record in records for run in record["runs"] if "brightest" in run]
    common = np.quantile(np.array(shown), _COMMON, axis=0) if shown else np.ones(len(group.methods))
    methods = [
        {"name": name, "label": label, "color": styles[name].color, "highest": float(f"{highest:.6g}") or 1.0}
        for (name, label), highest in zip(group.labels.items(), common, strict=True)
    ]
    metric = {"label": group.metric_facts.label, "higherIsBetter": group.metric_facts.higher_is_better}
    return {"name": group.name, "metric": metric, "methods": methods, "runs": run_labels(group)}
