"""The job as the code released with the paper does it: plain loops, an image and a step at a time.

    python -m benchmarks.job.released samples.csv --epochs 30

Decodes every image whenever it is asked for, passes over the training and the test set once more after every epoch, and
explains with the gradients of the parameters too, through the decoder as well.
"""

import time

import numpy as np
import pandas as pd
import torch
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import functional as transforms

from benchmarks.job import task
from xairank.models import EncoderDecoder


def main() -> None:
    arguments = task.parse(__doc__)
    torch.manual_seed(arguments.seed)
    started = time.perf_counter()
    table = task.read_table(arguments.table)
    parts = dict(list(table.groupby("split")))
    model = task.create_network(arguments.encoder, table["target"].nunique(), arguments.weights)
    model.to(memory_format=torch.contiguous_format)
    train(model, parts["train"], parts["test"], arguments.epochs)
    trained = time.perf_counter()
    overlaps = [explain(model, Files(rows, flip=False)) for rows in parts.values()]
    task.report(trained - started, time.perf_counter() - trained, pd.concat(overlaps))


class Files(Dataset[tuple[Tensor, Tensor, int]]):
    """Reads, resizes, crops and flips a sample whenever it is asked for."""

    def __init__(self, table: pd.DataFrame, *, flip: bool) -> None:
        self.rows = list(table.itertuples())
        self.flip = flip

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, int]:
        row = self.rows[index]
        image = view(Image.open(row.image).convert("RGB"))
        mask = view(Image.open(row.mask).convert("L")) if row.mask else torch.zeros(1, task.SIZE, task.SIZE)
        for flip in (transforms.hflip, transforms.vflip):
            if self.flip and torch.rand(()) < 0.5:
                image, mask = flip(image), flip(mask)
        return image, (mask[0] > 0.5).float(), int(row.target)


def view(image: Image.Image) -> Tensor:
    return transforms.to_tensor(
        transforms.center_crop(transforms.resize(image, [task.RESIZED, task.RESIZED]), [task.SIZE, task.SIZE])
    )


def train(model: EncoderDecoder, training: pd.DataFrame, testing: pd.DataFrame, epochs: int) -> None:
    """Epochs of training, each with a pass over both sets that only says how good the model is."""
    weights = task.balanced_weights(training)
    optimizer = torch.optim.Adam(model.parameters(), lr=task.LEARNING_RATE)
    loader = DataLoader(Files(training, flip=True), task.BATCH_SIZE, shuffle=True, num_workers=task.WORKERS)
    evaluated = [
        DataLoader(Files(rows, flip=False), task.BATCH_SIZE, num_workers=task.WORKERS) for rows in (training, testing)
    ]
    for _ in range(epochs):
        model.train()
        for images, masks, labels in loader:
            optimizer.zero_grad()
            loss_of(model, images, masks, labels, weights)[0].backward()
            optimizer.step()
        for other in evaluated:
            evaluate(model, other, weights)


def evaluate(model: EncoderDecoder, loader: DataLoader[tuple[Tensor, Tensor, int]], weights: Tensor) -> None:
    """Loss and accuracy of a set, as the released code logs them."""
    model.eval()
    losses, hits = 0.0, 0
    with torch.no_grad():
        for images, masks, labels in loader:
            loss, logits = loss_of(model, images, masks, labels, weights)
            losses += loss.item() * len(labels)
            hits += int((logits.argmax(dim=1) == labels).sum())


def loss_of(
    model: EncoderDecoder, images: Tensor, masks: Tensor, labels: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """The loss of a batch, and its class logits."""
    logits, mask_logits = model(images)
    loss = functional.cross_entropy(logits, labels, weight=weights)
    return loss + task.BETA * functional.binary_cross_entropy_with_logits(mask_logits, masks), logits


def explain(model: EncoderDecoder, files: Files) -> pd.DataFrame:
    """The overlap of each method on each correctly classified defect, one after the other."""
    model.eval()
    tools = {"gradcam": gradcam, "saliency": saliency, "integrated_gradients": integrated_gradients}
    overlaps = []
    for image, mask, target in files:  # type: ignore[attr-defined]
        with torch.no_grad():
            predicted = int(model(image[None])[0].argmax())
        if predicted == target and mask.any():
            maps = {name: tool(model, image[None], target)[0].detach().numpy() for name, tool in tools.items()}
            overlaps.append({name: topk_overlap(found, mask.numpy() > 0) for name, found in maps.items()})
    return pd.DataFrame(overlaps, columns=task.METHODS)


def gradient(model: EncoderDecoder, image: Tensor, target: int) -> Tensor:
    image = image.detach().requires_grad_()
    model.zero_grad()
    model(image)[0][0, target].backward()
    assert image.grad is not None
    return image.grad


def saliency(model: EncoderDecoder, image: Tensor, target: int) -> Tensor:
    return gradient(model, image, target).abs().amax(dim=1)


def gradcam(model: EncoderDecoder, image: Tensor, target: int) -> Tensor:
    features = model.forward_features(image)
    features.retain_grad()
    model.zero_grad()
    model.forward_head(features)[0, target].backward()
    assert features.grad is not None
    cam = functional.relu((features.grad.mean(dim=(2, 3), keepdim=True) * features).sum(dim=1, keepdim=True))
    return functional.interpolate(cam, image.shape[-2:], mode="bilinear")[:, 0]


def integrated_gradients(model: EncoderDecoder, image: Tensor, target: int) -> Tensor:
    positions, weights = leggauss(task.STEPS)
    total = torch.zeros_like(image)
    for position, weight in zip((positions + 1) / 2, weights / 2, strict=True):
        total += float(weight) * gradient(model, float(position) * image, target)
    return (image * total).abs().sum(dim=1)


def topk_overlap(found: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    """The share of the map's largest pixels, as many as the mask has, that lie inside the mask."""
    largest = np.argsort(-found, axis=None)[: mask.sum()]
    return float(mask.ravel()[largest].mean())


if __name__ == "__main__":
    main()
