"""Images of which a run kept no maps, from where its configuration says that the data are."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from xairank.data.faults import Faults
from xairank.data.images import View, read_image, read_mask, view_image
from xairank.data.index import PLACES, Source, index_samples
from xairank.data.masks import view_mask
from xairank.errors import UserError
from xairank.explanations.folder import Seen


class Originals:
    """The images and masks of a configuration's data, as the model sees them, where they are at hand.

    Args:
        data: The keys of ``data``.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        self._view = View(data["image_size"], data["crop"], data.get("mask_threshold"))

    @property
    def place(self) -> str:
        """Where they should be; empty of images that a script gave."""
        return str(Source.from_options(self._data).place) if any(self._data.get(key) for key in PLACES) else ""

    def read(self, sample: str) -> Seen | None:
        """An image and its mask; None where they are not at hand."""
        if sample not in self._files:
            return None
        image_path, mask_path = self._files[sample]
        try:
            image = read_image(image_path)
            mask = None if mask_path is None else read_mask(mask_path, image.size, self._view.mask_threshold)
        except UserError:
            return None
        seen = np.asarray(view_image(image, self._view))
        return Seen(seen, None if mask is None or not mask.any() else view_mask(mask, self._view).mask)

    @cached_property
    def _files(self) -> dict[str, tuple[Path, Path | None]]:
        if not self.place:
            return {}
        try:
            table = index_samples(Source.from_options(self._data), Faults(), least_classes=1)
        except UserError:
            return {}
        return dict(zip(table["sample"], zip(table["image"], table["mask"], strict=True), strict=True))
