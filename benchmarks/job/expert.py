"""The job as an expert would write it with PyTorch, torchvision, Captum and Quantus.

    python -m benchmarks.job.expert samples.csv --epochs 30

Reads every image once, trains channels-last with fused Adam, passes over the test set alone after every epoch, and
explains batches of images by a frozen model without its decoder.
"""

import time

import numpy as np
import pandas as pd
import quantus
import torch
from captum.attr import IntegratedGradients, LayerGradCam, Saliency
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import v2

from benchmarks.job import task
from xairank.models import EncoderDecoder

EXPLAINED = 8  # images at once
INTERNAL_BATCH = 8  # steps at once: Captum goes through all (image, step) pairs in batches of so many


def main() -> None:
    arguments = task.parse(__doc__)
    torch.manual_seed(arguments.seed)
    started = time.perf_counter()
    table = task.read_table(arguments.table)
    samples = {split: read(rows) for split, rows in table.groupby("split")}
    model = task.create_network(arguments.encoder, table["target"].nunique(), arguments.weights)
    model.to(memory_format=torch.channels_last)
    weights = task.balanced_weights(table[table["split"] == "train"])
    train(model, samples["train"], samples["test"], weights, arguments.epochs)
    trained = time.perf_counter()
    overlaps = explain(model.eval().requires_grad_(False), list(samples.values()))
    task.report(trained - started, time.perf_counter() - trained, overlaps)


def read(table: pd.DataFrame) -> TensorDataset:
    """All images (N, 3, H, W) in bytes, masks (N, H, W) and targets (N,)."""
    view = v2.Compose([v2.Resize([task.RESIZED, task.RESIZED]), v2.CenterCrop(task.SIZE)])
    none = torch.zeros(1, task.SIZE, task.SIZE, dtype=torch.uint8)
    images = [view(decode_image(path, ImageReadMode.RGB)) for path in table["image"]]
    masks = [view(decode_image(path, ImageReadMode.GRAY)) if path else none for path in table["mask"]]
    return TensorDataset(torch.stack(images), torch.cat(masks) > 127, torch.tensor(table["target"].to_numpy()).long())


def train(model: EncoderDecoder, training: TensorDataset, testing: TensorDataset, weights: Tensor, epochs: int) -> None:
    """Epochs of one pass over the training set and one over the test set."""
    optimizer = torch.optim.Adam(model.parameters(), lr=task.LEARNING_RATE, fused=True)
    loader, others = DataLoader(training, task.BATCH_SIZE, shuffle=True), DataLoader(testing, task.BATCH_SIZE)
    for _ in range(epochs):
        model.train()
        for images, masks, labels in loader:
            optimizer.zero_grad(set_to_none=True)
            loss_of(model, *flipped(images, masks), labels, weights).backward()
            optimizer.step()
        model.eval()
        with torch.inference_mode():
            for images, masks, labels in others:
                loss_of(model, images, masks, labels, weights)


def flipped(images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Each image and its mask mirrored with probability 1/2, in either direction."""
    for axis in (-1, -2):
        chosen = torch.rand(len(images)) < 0.5
        images[chosen], masks[chosen] = images[chosen].flip(axis), masks[chosen].flip(axis)
    return images, masks


def loss_of(model: EncoderDecoder, images: Tensor, masks: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    logits, mask_logits = model(as_floats(images))
    loss = functional.cross_entropy(logits, labels, weight=weights)
    return loss + task.BETA * functional.binary_cross_entropy_with_logits(mask_logits, masks.float())


def as_floats(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last).float().div_(255)


class Classifier(nn.Module):
    """The classifier without the decoder; its feature map has a name, for Captum to find it."""

    def __init__(self, model: EncoderDecoder) -> None:
        super().__init__()
        self.model = model
        self.features = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        return self.model.forward_head(self.features(self.model.forward_features(images)))


def explain(model: EncoderDecoder, sets: list[TensorDataset]) -> pd.DataFrame:
    """The overlap of each method on each correctly classified defect."""
    classifier = Classifier(model).eval()
    images, masks, targets = (torch.cat(parts) for parts in zip(*(some.tensors for some in sets), strict=True))
    defects = masks.flatten(1).any(dim=1)
    images, masks, targets = images[defects], masks[defects], targets[defects]
    with torch.inference_mode():
        predicted = torch.cat([classifier(as_floats(some)).argmax(dim=1) for some in images.split(task.BATCH_SIZE)])
    correct = predicted == targets
    overlaps = []
    loader = DataLoader(TensorDataset(images[correct], masks[correct], targets[correct]), EXPLAINED)
    for some, some_masks, some_targets in loader:
        maps = explain_batch(classifier, as_floats(some), some_targets)
        overlaps += score(maps, some_masks)
    return pd.DataFrame(overlaps, columns=task.METHODS)


def explain_batch(classifier: Classifier, images: Tensor, targets: Tensor) -> Tensor:
    """Maps (B, methods, H, W)."""
    coarse = LayerGradCam(classifier, classifier.features).attribute(
        images.requires_grad_(), targets, relu_attributions=True
    )
    gradcam = functional.interpolate(coarse, images.shape[-2:], mode="bilinear")[:, 0]
    saliency = Saliency(classifier).attribute(images, targets).amax(dim=1)
    integrated = IntegratedGradients(classifier).attribute(
        images, target=targets, n_steps=task.STEPS, internal_batch_size=INTERNAL_BATCH
    )
    return torch.stack([gradcam, saliency, integrated.abs().sum(dim=1)], dim=1).detach()


def score(maps: Tensor, masks: Tensor) -> list[list[float]]:
    """Quantus's Top-K intersection of every map. Its k is one for all, ours each mask's size: a metric an image."""
    overlaps = []
    for found, mask in zip(maps.numpy(), masks.numpy(), strict=True):
        metric = quantus.TopKIntersection(k=int(mask.sum()), normalise=False, disable_warnings=True)
        channels = (len(found), 1, *mask.shape)
        overlaps.append(
            metric(
                model=None,
                x_batch=np.zeros(channels, np.float32),
                y_batch=np.zeros(len(found), int),
                a_batch=found[:, None],
                s_batch=np.broadcast_to(mask, channels),
            )
        )
    return overlaps


if __name__ == "__main__":
    main()
