"""Samples decoded into memory, and batches of them in [0, 1]."""

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from xairank.data.cache import decode_once
from xairank.data.decoding import decode
from xairank.data.duplicates import group_near_duplicates
from xairank.data.faults import Faults
from xairank.data.images import Crop, View
from xairank.data.index import Source, index_samples
from xairank.data.notices import data_notices
from xairank.data.splits import choose_split
from xairank.progress import Track, untracked
from xairank.schema import SPLITS, TEST, TRAIN


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
        batch_size: Images a batch, on all devices together. A last batch of one image a device is left out when
            shuffling: batch normalisation cannot train on it, and every epoch leaves out other images.
        seed: Of the shuffling and the flips.
        shuffle: Whether each epoch has its own order.
        flip: Whether each image is flipped with probability 1/2 horizontally and 1/2 vertically.
        share: Which device this is and how many there are; each takes its share of every batch.
    """

    def __init__(
        self,
        rows: Tensor,
        batch_size: int,
        seed: int,
        *,
        shuffle: bool,
        flip: bool,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.flip = flip
        self.share = share
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch whose order and flips come next."""
        self.epoch = epoch

    def __len__(self) -> int:
        full, rest = divmod(len(self.rows), self.batch_size)
        first, step = self.share
        return full + (rest >= (2 * step if self.shuffle and full else first + 1))

    def __iter__(self) -> Iterator[Selection]:
        generator = np.random.default_rng([self.seed, self.epoch])
        count = len(self.rows)
        order = torch.from_numpy(generator.permutation(count) if self.shuffle else np.arange(count))
        flips = torch.from_numpy(generator.random((2, count)) < 0.5) & self.flip
        first, step = self.share
        for batch in order.split(self.batch_size)[: len(self)]:
            chunk = batch[first::step]
            yield Selection(self.rows[chunk], flips[0, chunk], flips[1, chunk])


class DefectDataModule(pl.LightningDataModule):
    """A category of defects with masks: table, split, decoded samples, loaders.

    Args:
        source: Where the data is.
        image_size: Height and width of the model's input, in pixels.
        crop: ``center`` or ``none``, see :class:`xairank.data.images.View`.
        mask_threshold: The value above which a mask's pixel is defect; None expects masks of two values.
        batch_size: Images a batch.
        num_workers: Threads that decode; 0 decodes in the calling thread.
        split_seed: Of the split; independent of ``seed``.
        fold: The fold that is tested; None: nothing is trained, and all is tested but what the data calls training.
        n_folds: The number of folds.
        augment_evaluation: Whether evaluated and explained images are flipped at random too.
        seed: Of shuffling and flips.
        cache: Whether decoded images are kept on disk, see :mod:`xairank.data.cache`.
        track: Shows the progress of decoding.

    Attributes:
        table: A row a sample, after :meth:`setup`: sample (its key), case (the key of the first sample of its group of
            near-duplicates), label, split, image, mask.
        classes: The labels in the model's order.
        notices: What a user should know of the data, a line each.
    """

    def __init__(
        self,
        source: Source,
        image_size: int,
        crop: Crop,
        mask_threshold: int | None,
        batch_size: int,
        num_workers: int,
        split_seed: int,
        fold: int | None,
        n_folds: int,
        augment_evaluation: bool,
        seed: int,
        cache: bool = False,
        track: Track = untracked,
    ) -> None:
        super().__init__()
        self.source = source
        self.view = View(image_size, crop, mask_threshold)
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.split_seed = split_seed
        self.fold = fold
        self.n_folds = n_folds
        self.augment_evaluation = augment_evaluation
        self.seed = seed
        self.cache = cache
        self.track = track
        self.table = pd.DataFrame()
        self.classes: list[str] = []
        self.notices: list[str] = []
        self.samples: Samples | None = None

    def setup(self, stage: str | None = None) -> None:
        """Indexes, decodes and splits, once; fills ``notices``.

        Raises:
            UserError: There is no such data or a file of it cannot be used; names the first such file.
        """
        if self.samples is not None:
            return
        view = {} if self.view.crop == "center" else {"crop": self.view.crop}  # the default of the check
        faults = Faults(self.source.check_command(mask_threshold=self.view.mask_threshold, **view))
        table = index_samples(self.source, faults, least_classes=1 if self.fold is None else 2)
        faults.stop()
        read = decode_once if self.cache else decode
        decoded = read(table, self.view, self.num_workers, faults, self.track)
        faults.stop()
        groups = group_near_duplicates(decoded.thumbnails)
        table["split"] = choose_split(table, self.fold, self.n_folds, self.split_seed, groups)
        table["case"] = table["sample"].groupby(groups).transform("first")
        self.notices = data_notices(table, decoded.facts, groups, self.view)
        self.classes = sorted(table["label"].unique())
        labels = np.array([self.classes.index(label) for label in table["label"]], dtype=np.int64)
        self.samples = Samples(*map(torch.from_numpy, (decoded.images, decoded.masks, labels)))
        self.table = table[["sample", "case", "label", "split", "image", "mask"]]

    @property
    def splits(self) -> list[str]:
        """The splits that have samples, in order."""
        return [split for split in SPLITS if (self.table["split"] == split).any()]

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the model's input, in pixels."""
        return (self.view.size, self.view.size)

    def fingerprint(self) -> str:
        """SHA-256 (hexadecimal) of what results depend on: samples, cases, labels, split, pixels and masks."""
        return self._digest("sample", "case", "label", "split")

    def content(self) -> str:
        """SHA-256 (hexadecimal) of the data itself, whatever the split: samples, cases, labels, pixels and masks."""
        return self._digest("sample", "case", "label")

    def _digest(self, *columns: str) -> str:
        samples = self._samples()
        digest = hashlib.sha256(self.table[list(columns)].to_csv(index=False).encode())
        for part in (samples.images, samples.masks):
            digest.update(part.numpy().data)
        return digest.hexdigest()

    def class_counts(self) -> Tensor:
        """Training images of each class, in the order of ``classes``."""
        labels = self._samples().labels[self._rows(TRAIN)]
        return torch.bincount(labels, minlength=len(self.classes))

    def train_dataloader(self) -> DataLoader[Batch]:
        """Shuffled, flipped training batches."""
        return self._loader(TRAIN, shuffle=True, flip=True, share=self._share())

    def val_dataloader(self) -> DataLoader[Batch]:
        """The test split in order; Lightning's name for what is evaluated after each epoch."""
        return self._loader(TEST, shuffle=False, flip=self.augment_evaluation, share=self._share())

    def evaluation_dataloader(self, split: str, batch_size: int | None = None) -> DataLoader[Batch]:
        """The samples of ``train`` or ``test`` in the order of the table."""
        return self._loader(split, shuffle=False, flip=self.augment_evaluation, batch_size=batch_size)

    def __getstate__(self) -> dict[str, Any]:
        # What the processes of several devices get: a bar cannot be shown from there.
        return {**self.__dict__, "track": untracked}

    def _share(self) -> tuple[int, int]:
        """Which device of those that train this is, and how many there are."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _loader(
        self,
        split: str,
        *,
        shuffle: bool,
        flip: bool,
        batch_size: int | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> DataLoader[Batch]:
        size = batch_size or self.batch_size
        selections = Selections(self._rows(split), size, self.seed, shuffle=shuffle, flip=flip, share=share)
        # The sampler yields whole batches, so the loader makes none; from memory, worker processes would only cost.
        return DataLoader(self._samples(), batch_size=None, sampler=selections)

    def _rows(self, split: str) -> Tensor:
        return torch.from_numpy(np.flatnonzero(self.table["split"] == split))

    def _samples(self) -> Samples:
        if self.samples is None:
            raise RuntimeError("call setup() before asking for batches")
        return self.samples
