"""Samples decoded once into memory, and batches of them in [0, 1]."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from rich.progress import track
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from xairank.data.images import Crop, read_image, read_mask
from xairank.data.mvtec import index_category, split_samples


class Batch(NamedTuple):
    """Images (B, 3, H, W) in [0, 1], channels-last; masks (B, H, W) bool; labels (B,) int64; rows (B,) of the table."""

    images: Tensor
    masks: Tensor
    labels: Tensor
    rows: Tensor


class Selection(NamedTuple):
    """Which samples make a batch and how each is flipped: three arrays of one length."""

    rows: Tensor
    flip_horizontally: Tensor
    flip_vertically: Tensor


class Samples(Dataset[Batch]):
    """The decoded samples: uint8 images (N, H, W, 3), bool masks (N, H, W), labels (N,)."""

    def __init__(self, images: Tensor, masks: Tensor, labels: Tensor) -> None:
        self.images = images
        self.masks = masks
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, selection: Selection) -> Batch:
        images, masks = self.images[selection.rows], self.masks[selection.rows]
        for flipped, axis in ((selection.flip_vertically, 1), (selection.flip_horizontally, 2)):
            images[flipped] = images[flipped].flip(axis)
            masks[flipped] = masks[flipped].flip(axis)
        # (B, H, W, 3) memory seen as (B, 3, H, W) is channels-last without a copy.
        pixels = images.permute(0, 3, 1, 2).to(torch.float32).div_(255)
        return Batch(pixels, masks, self.labels[selection.rows], selection.rows)


class Selections(Sampler[Selection]):
    """Batches of rows, in order or shuffled, flipped or not, by (seed, epoch) alone.

    Nothing that ran before in the process changes an epoch, so a resumed run continues exactly. Lightning calls
    :meth:`set_epoch` at the start of each epoch.

    Args:
        rows: The rows to go through, (N,).
        batch_size: Images a batch. A last batch of one image is left out when shuffling: batch normalisation cannot
            train on it, and every epoch leaves out another image.
        seed: Of the shuffling and the flips.
        shuffle: Whether each epoch has its own order.
        flip: Whether each image is flipped with probability 1/2 horizontally and 1/2 vertically.
    """

    def __init__(self, rows: Tensor, batch_size: int, seed: int, *, shuffle: bool, flip: bool) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.flip = flip
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch whose order and flips come next."""
        self.epoch = epoch

    def __len__(self) -> int:
        full, rest = divmod(len(self.rows), self.batch_size)
        return full + (rest > (1 if self.shuffle and full else 0))

    def __iter__(self) -> Iterator[Selection]:
        generator = np.random.default_rng([self.seed, self.epoch])
        count = len(self.rows)
        order = torch.from_numpy(generator.permutation(count) if self.shuffle else np.arange(count))
        flips = torch.from_numpy(generator.random((2, count)) < 0.5) & self.flip
        for chunk in order.split(self.batch_size)[: len(self)]:
            yield Selection(self.rows[chunk], flips[0, chunk], flips[1, chunk])


class DefectDataModule(pl.LightningDataModule):
    """A category of defects with masks: table, split, decoded samples, loaders.

    Args:
        root: The folder that holds the category.
        category: The category's folder, in MVTec layout.
        image_size: Height and width of the model's input, in pixels.
        crop: ``center`` or ``none``, see :func:`xairank.data.images.read_image`.
        batch_size: Images a batch.
        num_workers: Threads that decode; 0 decodes in the calling thread.
        split_seed: Of the split; independent of ``seed``.
        fold: The fold that is tested.
        n_folds: The number of folds.
        augment_evaluation: Whether evaluated and explained images are flipped at random too.
        seed: Of shuffling and flips.
    """

    def __init__(
        self,
        root: Path,
        category: str,
        image_size: int,
        crop: Crop,
        batch_size: int,
        num_workers: int,
        split_seed: int,
        fold: int,
        n_folds: int,
        augment_evaluation: bool,
        seed: int,
    ) -> None:
        super().__init__()
        self.root = root
        self.category = category
        self.image_size = image_size
        self.crop = crop
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.split_seed = split_seed
        self.fold = fold
        self.n_folds = n_folds
        self.augment_evaluation = augment_evaluation
        self.seed = seed
        self.table = pd.DataFrame()
        self.classes: list[str] = []
        self.samples: Samples | None = None

    def setup(self, stage: str | None = None) -> None:
        """Indexes, splits and decodes, once.

        Raises:
            UserError: The category is missing or a file of it cannot be used; names the first such file.
        """
        if self.samples is not None:
            return
        table = index_category(self.root, self.category)
        table["split"] = split_samples(table["label"], self.fold, self.n_folds, self.split_seed)
        self.classes = sorted(table["label"].unique())
        self.samples = decode(table, self.classes, self.image_size, self.crop, self.num_workers)
        self.table = table

    def class_counts(self) -> Tensor:
        """Training images of each class, in the order of ``classes``."""
        labels = self._samples().labels[self._rows("train")]
        return torch.bincount(labels, minlength=len(self.classes))

    def train_dataloader(self) -> DataLoader[Batch]:
        """Shuffled, flipped training batches."""
        return self._loader("train", shuffle=True, flip=True)

    def val_dataloader(self) -> DataLoader[Batch]:
        """The test split in order; Lightning's name for what is evaluated after each epoch."""
        return self.evaluation_dataloader("test")

    def evaluation_dataloader(self, split: str, batch_size: int | None = None) -> DataLoader[Batch]:
        """The samples of ``train`` or ``test`` in the order of the table."""
        return self._loader(split, shuffle=False, flip=self.augment_evaluation, batch_size=batch_size)

    def _loader(self, split: str, *, shuffle: bool, flip: bool, batch_size: int | None = None) -> DataLoader[Batch]:
        selections = Selections(self._rows(split), batch_size or self.batch_size, self.seed, shuffle=shuffle, flip=flip)
        # The sampler yields whole batches, so the loader makes none; from memory, worker processes would only cost.
        return DataLoader(self._samples(), batch_size=None, sampler=selections)

    def _rows(self, split: str) -> Tensor:
        return torch.from_numpy(np.flatnonzero(self.table["split"] == split))

    def _samples(self) -> Samples:
        if self.samples is None:
            raise RuntimeError("call setup() before asking for batches")
        return self.samples


def decode(table: pd.DataFrame, classes: list[str], size: int, crop: Crop, threads: int) -> Samples:
    """Decodes and resizes every sample of the table into memory, with a progress bar.

    Raises:
        UserError: An image or a mask cannot be used; names the file.
    """
    images = np.empty((len(table), size, size, 3), dtype=np.uint8)
    masks = np.zeros((len(table), size, size), dtype=np.bool_)

    def fill(row: int) -> None:
        sample = table.iloc[row]
        images[row], file_size = read_image(sample["image"], size, crop)
        if sample["mask"] is not None:
            masks[row] = read_mask(sample["mask"], file_size, size, crop)

    with ThreadPoolExecutor(max(1, threads)) as pool:
        try:
            for _ in track(pool.map(fill, range(len(table))), "Decoding images", len(table), transient=True):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    labels = np.array([classes.index(label) for label in table["label"]], dtype=np.int64)
    return Samples(torch.from_numpy(images), torch.from_numpy(masks), torch.from_numpy(labels))
