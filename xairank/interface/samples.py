"""Images, masks and labels that a caller holds in memory, as the samples of a run."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from xairank.data.datamodule import Batch
from xairank.data.duplicates import group_near_duplicates, thumbnail
from xairank.errors import UserError
from xairank.schema import TEST

BATCH = 32
_NAMES = {"images": ("images", "image"), "masks": ("masks", "mask"), "labels": ("labels", "label", "targets", "target")}


class MemorySamples:
    """Samples in memory, all of them test images.

    Near-duplicates are one case, as for images in files.

    Args:
        images: (N, 3, H, W), floating, in the network's input space.
        masks: (N, H, W), true on the defect.
        labels: The class of each sample by name.
        distinct: Whether each sample is a case of its own; by default near-duplicates are one.
        labelled: Whether the labels belong to the samples; False where they are what one network predicted, so that
            those of another network are the same samples.

    Attributes:
        table: A row a sample: ``sample``, ``case``, ``label``, ``split``.
    """

    def __init__(
        self, images: Tensor, masks: Tensor, labels: Sequence[str], *, distinct: bool = False, labelled: bool = True
    ) -> None:
        self.images, self.masks, self._labelled = images, masks, labelled
        keys = [f"{number:04}" for number in range(len(images))]
        groups = np.arange(len(images)) if distinct else group_near_duplicates(np.stack(list(map(_thumbnail, images))))
        table = pd.DataFrame({"sample": keys, "label": list(labels), "split": TEST})
        table["case"] = table["sample"].groupby(groups).transform("first")
        self.table = table[["sample", "case", "label", "split"]]

    @property
    def splits(self) -> list[str]:
        """All are tested."""
        return [TEST]

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width, in pixels."""
        return (self.images.shape[2], self.images.shape[3])

    def evaluation_dataloader(self, split: str, batch_size: int | None = None) -> Iterator[Batch]:
        """The samples in order."""
        for rows in torch.arange(len(self.images)).split(batch_size or BATCH):
            yield Batch(self.images[rows], self.masks[rows], torch.zeros(len(rows), dtype=torch.int64), rows)

    def fingerprint(self) -> str:
        """SHA-256 (hexadecimal) of samples, cases, labels if they have any, pixels and masks."""
        table = self.table if self._labelled else self.table.drop(columns="label")
        digest = hashlib.sha256(table.to_csv(index=False).encode())
        for part in (self.images, self.masks):
            digest.update(part.contiguous().view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def content(self) -> str:
        """The same, as there is no split."""
        return self.fingerprint()


def checked_images(images: Any) -> Tensor:  # noqa: ANN401 - a tensor or an array
    """Images (N, 3, H, W) as floating tensor on the host; whole numbers become [0, 1].

    Raises:
        UserError: They are no such images.
    """
    found = as_tensor("images", images)
    if found.ndim != 4 or found.shape[1] != 3 or not len(found):
        raise UserError(f"images: found shape {tuple(found.shape)}; expected (images, 3, height, width)")
    if found.dtype == torch.uint8:
        found = found.float() / 255
    if not found.is_floating_point():
        raise UserError(f"images: found {found.dtype}; expected floating numbers as the network takes them, or uint8")
    if not bool(found.isfinite().all()):
        wrong = int((~found.isfinite()).flatten(1).any(dim=1).nonzero()[0])
        raise UserError(f"images: image {wrong} holds NaN or infinite values; remove it or make it again")
    return found


def checked_masks(masks: Any, shape: tuple[int, int, int] | None = None) -> Tensor:  # noqa: ANN401
    """Masks (N, H, W) of zeros and one other value, as bool tensor on the host.

    Args:
        masks: A tensor or an array.
        shape: Number and size of the images, where there are images.

    Raises:
        UserError: They are no such masks, or of another number or size than the images.
    """
    found = as_tensor("masks", masks)
    if found.ndim == 4 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim != 3 or not found.numel():
        raise UserError(f"masks: found shape {tuple(found.shape)}; expected (images, height, width)")
    if shape and tuple(found.shape) != shape:
        raise UserError(f"masks: found shape {tuple(found.shape)}; expected {shape}, a mask for each image")
    if len(found.unique()) > 2 or bool((found < 0).any()):
        raise UserError(
            f"masks: found {len(found.unique())} different values; expected 0 and one other, or bool; masks > 0.5 "
            "makes them so"
        )
    inside = found != 0
    if bool((full := inside.flatten(1).all(dim=1)).any()):
        wrong = int(full.nonzero()[0])
        raise UserError(
            f"masks: that of image {wrong} has no 0, so that every explanation would lie on it; expected 0 outside the "
            "defect"
        )
    return inside


def checked_labels(labels: Any, count: int, classes: Sequence[str]) -> list[str]:  # noqa: ANN401
    """The class of each image by name, from names or from indices of the network's outputs.

    Raises:
        UserError: Another number of labels, or one that is no class.
    """
    plain = labels.tolist() if hasattr(labels, "tolist") else labels
    if not isinstance(plain, Iterable):
        raise UserError(f"labels: found {plain!r}; expected {count}, one for each image")
    plain = list(plain)
    if any(name.isdigit() for name in classes) and not all(isinstance(one, str) for one in plain):
        raise UserError(
            f"labels: found numbers, and classes that are called {', '.join(classes)}; give labels as texts, "
            "[str(label) for label in labels], which are names"
        )
    if len(plain) != count:
        raise UserError(f"labels: found {len(plain)}; expected {count}, one for each image")
    unknown = [one for one in plain if one not in classes and one not in range(len(classes))]
    if unknown:
        raise UserError(
            f"labels: found {unknown[0]!r}; expected one of {', '.join(classes)}, or the index of an output from 0 to "
            f"{len(classes) - 1}"
        )
    return [one if isinstance(one, str) else classes[int(one)] for one in plain]


def gather(batches: Iterable[Any]) -> tuple[Tensor, Tensor, list[Any] | None]:
    """Images, masks and labels, if any, of all batches of a data loader.

    Raises:
        UserError: A batch is neither a mapping nor a tuple of these.
    """
    parts: list[tuple[Any, ...]] = []
    for batch in batches:
        if isinstance(batch, Mapping):
            found = [next((batch[name] for name in names if name in batch), None) for names in _NAMES.values()]
        elif isinstance(batch, Sequence) and 2 <= len(batch) <= 3:
            found = [*batch, None][:3]
        else:
            held = ", ".join(map(str, batch)) if isinstance(batch, Mapping) else type(batch).__name__
            raise UserError(
                f"images: a batch is {held}; expected (images, masks, labels), or a mapping with these names"
            )
        if found[0] is None or found[1] is None:
            raise UserError(f"images: a batch has {', '.join(batch)}; expected images, masks and labels")
        parts.append((as_tensor("images", found[0]), as_tensor("masks", found[1]), found[2]))
    if not parts:
        raise UserError("images: the data loader gives no batch; expected (images, masks, labels)")
    images, masks, labels = zip(*parts, strict=True)
    every = [one for some in labels if some is not None for one in (some.tolist() if hasattr(some, "tolist") else some)]
    for name, some in (("images", images), ("masks", masks)):
        if len({tuple(one.shape[1:]) for one in some}) > 1:
            shapes = sorted({tuple(one.shape[1:]) for one in some})
            raise UserError(f"{name}: batches of shapes {shapes[0]} and {shapes[1]}; resize all images to one size")
    return torch.cat(images), torch.cat(masks), every if labels[0] is not None else None


def as_tensor(name: str, values: Any) -> Tensor:  # noqa: ANN401
    """A tensor on the host, of a tensor, an array or a list of them.

    Raises:
        UserError: There are no numbers in it.
    """
    try:
        if isinstance(values, list | tuple) and values and isinstance(values[0], Tensor):
            values = torch.stack(list(values))
        found = torch.as_tensor(np.asarray(values) if not isinstance(values, Tensor) else values).detach().cpu()
        if found.is_complex():
            raise TypeError("complex numbers have no order")
        return found
    except (TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:80]
        raise UserError(f"{name}: found {type(values).__name__}; expected a tensor or an array ({reason})") from None


def _thumbnail(image: Tensor) -> np.ndarray:
    low, high = image.min(), image.max()
    shown = image if low >= 0 and high <= 1 else (image - low) / (high - low)
    pixels = shown.mul(255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    return thumbnail(Image.fromarray(pixels))
