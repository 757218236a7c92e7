"""Writes the files of a group's images into the gallery, run by run, so that the maps of one run are in memory."""

from pathlib import Path
from typing import Any

from xairank.names import count
from xairank.progress import Track
from xairank.report.gallery_index import Image, list_images, number_or_none
from xairank.report.originals import Originals
from xairank.report.sample_files import SampleFiles
from xairank.runs.group import Group
from xairank.runs.maps import read_maps


class GroupWriter:
    """Writes the images of a group.

    Args:
        place: The gallery's folder.
        number: Of the group.
        group: The group.
        first: The number of its first image in the gallery.

    Attributes:
        remarks: What is not shown, and why, a sentence each.
    """

    def __init__(self, place: Path, number: int, group: Group, first: int) -> None:
        self._group = group
        self._number = number
        self._images = list_images(group)
        self._files = {
            image.sample: SampleFiles(place, f"{first + place_there:05}")
            for place_there, image in enumerate(self._images)
        }
        self.remarks: list[str] = []

    def write(self, track: Track) -> list[dict[str, Any]]:
        """Writes the files; returns a record an image, for the index.

        Args:
            track: Told which runs are done.
        """
        self._write_maps(track)
        self._write_originals()
        return [
            {
                "group": self._number,
                "name": image.sample,
                "label": image.label,
                "folder": self._files[image.sample].name,
                "pictures": [int(has_outline) for has_outline in self._files[image.sample].outlines],
                "runs": [image.runs[run] for run in sorted(image.runs)],
            }
            for image in self._images
        ]

    def _write_maps(self, track: Track) -> None:
        methods, by_name = list(self._group.methods), {image.sample: image for image in self._images}
        without = 0
        folders = self._group.runs["folder"]
        for number, folder in enumerate(track(folders, len(folders))):
            path = Path(folder) / "maps.npz"
            if not path.is_file():
                without += any("scores" in image.runs.get(number, {}) for image in self._images)
                continue
            maps = read_maps(path)
            if set(methods) <= set(maps.methods):
                for index, sample in enumerate(maps.samples):
                    record = by_name[sample].runs[number]
                    record.update(self._files[sample].add_maps(number, maps, index, methods))
        if without:
            kept = f"{count(without, 'run')} of {len(self._group.runs):,} kept no maps"
            self.remarks.append(f"{kept}; train with attribution.keep_maps=true to see them.")

    def _write_originals(self) -> None:
        originals = Originals(self._group.config["data"])
        missing = 0
        for image in self._images:
            files = self._files[image.sample]
            if not files.outlines:
                missing += not self._write_original(image, files, originals)
        if missing:
            where = (
                f": {originals.place} is not at hand, or was changed" if originals.place else ", as a script gave them"
            )
            self.remarks.append(f"{count(missing, 'image')} without maps cannot be shown{where}.")

    def _write_original(self, image: Image, files: SampleFiles, originals: Originals) -> bool:
        seen = originals.read(image.sample)
        if seen is None:
            return False
        files.add_picture(seen)
        if seen.mask is not None and seen.mask.any():
            for record in image.runs.values():
                record["size"] = number_or_none(seen.mask.mean())
        return True
