"""Seconds of a training epoch, beside a plain PyTorch loop written as the code released with the paper does it.

    make bench-training                     # 400 images of 1024 x 1024 on disk, batches of 32, efficientnet_b0

The plain loop decodes every image in every epoch, in two worker processes, and trains in the default memory layout.
xairank decodes once, which its first epoch pays for; what is compared are later epochs, in turn, round after round.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import timm
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import functional as transforms

from xairank.attribution.acceleration.memory import freed_memory_kept
from xairank.data.datamodule import Samples, Selections
from xairank.data.decoding import decode
from xairank.data.faults import Faults
from xairank.data.images import View
from xairank.models import EncoderDecoder, MultitaskModule

CLASSES = ["crack", "hole"]
DISTINCT = 40  # files; more images are the same files again, which costs a reader the same


def main() -> None:
    arguments = parse()
    with tempfile.TemporaryDirectory() as folder:
        table = write_images(Path(folder), arguments.images, arguments.size)
        contenders: dict[str, Callable[[], float]] = {
            "xairank": prepare_xairank(table, arguments),
            "as released": prepare_as_released(table, arguments),
        }
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        for number in range(arguments.rounds):
            for name, epoch in contenders.items():
                seconds[name].append(epoch())
                print(f"round {number + 1}: {name} {seconds[name][-1]:.1f} s", flush=True)
    ratio = np.median(np.divide(seconds["as released"], seconds["xairank"]))
    print(f"median ratio: as released / xairank = {ratio:.2f}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--size", type=int, default=1024, help="of the files, in pixels (default 1024)")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--encoder", default="efficientnet_b0")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def write_images(folder: Path, count: int, size: int) -> pd.DataFrame:
    """A table of samples whose files look like photographs to a PNG decoder: smooth, with noise."""
    generator = np.random.default_rng(0)
    for index in range(min(DISTINCT, count)):
        smooth = Image.fromarray(generator.integers(0, 250, (32, 32, 3), dtype=np.uint8)).resize((size, size))
        pixels = np.asarray(smooth) + generator.integers(0, 5, (size, size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
        mask = np.zeros((size, size), np.uint8)
        mask[size // 3 : size // 2, size // 3 : size // 2] = 255
        Image.fromarray(mask).save(folder / f"{index}_mask.png")
    names = [index % DISTINCT for index in range(count)]
    return pd.DataFrame(
        {
            "sample": [f"x/{index}" for index in range(count)],
            "label": [CLASSES[index % 2] for index in range(count)],
            "image": [folder / f"{name}.png" for name in names],
            "mask": [folder / f"{name}_mask.png" for name in names],
        }
    )


def create_module(encoder: str) -> MultitaskModule:
    torch.manual_seed(0)
    model = EncoderDecoder(timm.create_model(encoder, pretrained=False, num_classes=0), len(CLASSES), 16, 224)
    return MultitaskModule(model, len(CLASSES), beta=1.0, mask_loss="bce", class_weights=None, lr=1e-3, seed=0)


def prepare_xairank(table: pd.DataFrame, arguments: argparse.Namespace) -> Callable[[], float]:
    """An epoch as ``python -m xairank.train`` runs it, evaluation aside: the second, as all but the first."""
    decoded = decode(table, View(224, "center"), 2, Faults())
    labels = torch.tensor([CLASSES.index(label) for label in table["label"]])
    samples = Samples(torch.from_numpy(decoded.images), torch.from_numpy(decoded.masks), labels)
    selections = Selections(torch.arange(len(labels)), arguments.batch_size, 0, shuffle=True, flip=True)
    loader = DataLoader(samples, batch_size=None, sampler=selections)
    module = create_module(arguments.encoder)

    def epoch() -> float:
        clock = Clock()
        trainer = pl.Trainer(
            max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, callbacks=[clock], deterministic=True,
        )  # fmt: skip
        with freed_memory_kept():
            trainer.fit(module, loader)
        return clock.seconds

    return epoch


class Clock(pl.Callback):
    """Seconds of the last training epoch."""

    def on_train_epoch_start(self, *_: object) -> None:
        self.started = time.perf_counter()

    def on_train_epoch_end(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self.started


class Files(Dataset[tuple[Tensor, Tensor, int]]):
    """Reads, resizes, crops and flips a sample whenever it is asked for."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.rows = list(table.itertuples())

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, int]:
        row = self.rows[index]
        parts = []
        flips = torch.rand(2) < 0.5
        for path, mode in ((row.image, "RGB"), (row.mask, "L")):
            with Image.open(path) as image:
                part = transforms.center_crop(transforms.resize(image.convert(mode), [256, 256]), [224, 224])
            part = transforms.hflip(part) if flips[0] else part
            parts.append(transforms.to_tensor(transforms.vflip(part) if flips[1] else part))
        return parts[0], parts[1][0], CLASSES.index(row.label)


def prepare_as_released(table: pd.DataFrame, arguments: argparse.Namespace) -> Callable[[], float]:
    """The plain loop."""
    loader = DataLoader(Files(table), arguments.batch_size, shuffle=True, num_workers=2)
    model = create_module(arguments.encoder).model.to(memory_format=torch.contiguous_format)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def epoch() -> float:
        started = time.perf_counter()
        model.train()
        for images, masks, labels in loader:
            optimizer.zero_grad()
            logits, mask_logits = model(images)
            loss = functional.cross_entropy(logits, labels)
            loss = loss + functional.binary_cross_entropy_with_logits(mask_logits, masks)
            loss.backward()
            optimizer.step()
        return time.perf_counter() - started

    return epoch


if __name__ == "__main__":
    main()
