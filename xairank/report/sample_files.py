"""The files of one image in the gallery: its picture, the outline of its defect, small maps, and a script a run."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion

from xairank.explanations.folder import Seen
from xairank.explanations.overlay import brightest
from xairank.report.map_codes import pack_map, pack_mask, pack_shares, top_weights
from xairank.runs.maps import Maps

THUMBNAIL = 112  # pixels of a small map's longer side
_QUALITY = 85
_THUMBNAIL_QUALITY = 70
_OUTLINE_SIDE = 448  # pixels at least of an outline's shorter side: a line in a view of 224 is coarse on a screen


class SampleFiles:
    """Writes the files of one image.

    Args:
        place: The gallery's folder.
        name: Of the image's folder there, for example "00012".

    Attributes:
        outlines: Of each picture, whether it has an outline.
    """

    def __init__(self, place: Path, name: str) -> None:
        self.name = name
        self._folder = place / name
        self._pictures: list[str] = []
        self.outlines: list[bool] = []

    def add_picture(self, seen: Seen) -> int:
        """Writes an image and its outline, unless it is there; its number. Runs with flips see several."""
        image, mask = seen
        content = sha256(image.tobytes() + (b"" if mask is None else mask.tobytes())).hexdigest()
        if content in self._pictures:
            return self._pictures.index(content)
        number = len(self._pictures)
        self._pictures.append(content)
        self.outlines.append(mask is not None and bool(mask.any()))
        self._folder.mkdir(exist_ok=True)
        Image.fromarray(image).save(self._folder / f"image{number}.jpg", quality=_QUALITY, optimize=True)
        if mask is not None and mask.any():
            draw_outline(mask).save(self._folder / f"outline{number}.png", optimize=True)
        return number

    def add_maps(self, run: int, maps: Maps, index: int, methods: Sequence[str]) -> dict[str, Any]:
        """Writes the maps of a run: a thumbnail a method, and a script.

        Returns:
            What the index says of them: the ``picture`` they belong to, the ``brightest`` value of each, the
            ``disagreement`` between methods (None of a single one).
        """
        picture = self.add_picture(Seen(maps.images[index], maps.masks[index]))
        mask = maps.masks[index]
        k = int(mask.sum())
        shown = [maps.maps[index, maps.methods.index(method)] for method in methods]
        for number, attribution in enumerate(shown):
            draw_thumbnail(attribution).save(
                self._folder / f"{run}-{number}.jpg", quality=_THUMBNAIL_QUALITY, optimize=True
            )
        content = {
            "height": mask.shape[0],
            "width": mask.shape[1],
            "mask": pack_mask(mask),
            "predicted": None if maps.predicted_masks is None else pack_shares(maps.predicted_masks[index]),
            "maps": [pack_map(attribution, k) for attribution in shown],
        }
        write_script(
            self._folder / f"{run}.js", f"xairankGallery.receive({json.dumps(f'{self.name}/{run}')}, ", content
        )
        return {
            "picture": picture,
            "brightest": [float(f"{brightest(attribution):.6g}") for attribution in shown],
            "disagreement": _disagreement(shown, k),
        }


def write_script(path: Path, start: str, content: Mapping[str, Any]) -> None:
    """Writes a script that hands ``content`` over: to a variable, or to a function with ``start`` ending in it."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    end = ");\n" if "(" in start else ";\n"
    path.write_text(f"{start}{text}{end}", encoding="ascii")


def draw_outline(mask: NDArray[np.bool_]) -> Image.Image:
    """The outline of a mask (H, W) on a transparent ground: white outside it, then black, as on overlays.

    It is finer than the mask; where the mask ends at the picture's border, it runs along the border.
    """
    factor = max(1, -(-_OUTLINE_SIDE // min(mask.shape)))
    fine = np.pad(mask.repeat(factor, axis=0).repeat(factor, axis=1), 1)  # a margin, where lines along the border lie
    thick = binary_dilation(fine, iterations=factor)
    white = thick & ~fine
    black = binary_dilation(thick, iterations=factor) & ~thick
    inside = np.zeros_like(fine)
    inside[1:-1, 1:-1] = True
    rim = fine & inside & ~binary_erosion(inside, iterations=factor)
    levels = np.where(white | rim, 1, np.where(black, 2, 0)).astype(np.uint8)[1:-1, 1:-1]
    picture = Image.fromarray(levels, mode="P")
    picture.putpalette([0, 0, 0, 255, 255, 255, 0, 0, 0])
    picture.info["transparency"] = 0
    return picture


def draw_thumbnail(attribution: NDArray[np.floating]) -> Image.Image:
    """A small grey picture of a map, white at its own brightest value: the page colours it."""
    highest = brightest(attribution) or 1.0
    grey = Image.fromarray(np.clip(attribution / highest * 255, 0, 255).round().astype(np.uint8))
    grey.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return grey


def _disagreement(attributions: Sequence[NDArray[np.floating]], k: int) -> float | None:
    """The share of their top-K pixels that two methods do not have in common, the mean over all pairs."""
    if len(attributions) < 2:
        return None
    weights = np.stack([top_weights(attribution, k) for attribution in attributions])
    common = (weights @ weights.T)[np.triu_indices(len(weights), 1)] / k
    return round(1 - float(common.mean()), 4)
