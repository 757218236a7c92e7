"""The pictures of the pages that :mod:`tests.method_pages` writes: rendered nuts, and small networks trained on them.

A picture is drawn with few colours, as many as fit into :data:`LARGEST` bytes.
"""

import io
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import timm
import torch
from hydra.utils import instantiate
from matplotlib.figure import Figure
from PIL import Image, ImageFilter
from scipy.ndimage import gaussian_filter, shift
from torch import Tensor, nn
from torch.nn import functional

import xairank
from tests.method_pages import DOCS, Page, pages
from xairank.attribution import FrozenModel, GradCAM, Saliency, explain, freeze
from xairank.attribution.controls import Random
from xairank.evaluation import ImageMeasure, ModelMetric, Sensitivity
from xairank.evaluation.fills import FILLS
from xairank.evaluation.probe import content_generator
from xairank.evaluation.reliance import elsewhere
from xairank.experiment.classifier import load_classifier
from xairank.experiment.prediction import predict_logits
from xairank.experiment.probing import make_probe
from xairank.experiment.ranked_config import read_run
from xairank.experiment.wiring import create_data
from xairank.explanations.overlay import MAP_COLORS, brightest, overlay

LARGEST = 24_000  # bytes
COLORS = (128, 96, 64, 48, 32, 24, 16, 12, 8)
WIDTH, HEIGHT, DPI = 4.8, 2.55, 100  # inches, and pixels an inch
TRAINED = ("experiment=demo", "evaluation=overlap")


class Nut(NamedTuple):
    """One image (1, 3, H, W), its mask (1, H, W) and class (1,), and the networks that classify it."""

    image: Tensor
    mask: Tensor
    target: Tensor
    networks: tuple[FrozenModel, FrozenModel]


def draw(folder: Path | None) -> None:
    """Draws all pictures, with the networks of a folder, in which the convolutional one is trained if it is not there.

    Args:
        folder: Where ``xairank.train`` leaves its run; None for a temporary one.
    """
    if folder is None:
        with tempfile.TemporaryDirectory() as temporary:
            draw(Path(temporary))
        return
    nut = _nut(folder)
    for kind, panels in (("methods", _panels_of_method), ("metrics", _panels_of_metric)):
        (DOCS / kind / "pictures").mkdir(parents=True, exist_ok=True)
        for page in pages(kind):
            content = _png(panels(page, nut), nut.mask[0].numpy())
            (DOCS / kind / "pictures" / f"{page.name}.png").write_bytes(content)
            print(f"docs/{kind}/pictures/{page.name}.png: {len(content):,} bytes", flush=True)


def _nut(folder: Path) -> Nut:
    """The hole in the test images, a compact defect, of which both networks together are surest."""
    if not list(folder.glob("multirun/demo/*/run.json")):
        folder.mkdir(exist_ok=True)
        subprocess.run([sys.executable, "-m", "xairank.train", *TRAINED], cwd=folder, check=True)
    (record,) = folder.glob("multirun/demo/*/run.json")
    config = read_run(record.parent).config
    config["data"]["root"] = str(folder / config["data"]["root"])
    classifier = load_classifier({"model": {"source": "run", "path": str(record.parent)}}, (), torch.device("cpu"))
    data = create_data(config)
    transformer = _transformer(*_samples(data.evaluation_dataloader("train")), len(classifier.classes))
    images, masks, labels = _samples(data.evaluation_dataloader("test"))
    networks = (freeze(classifier.network, images[:1]), freeze(transformer, images[:1]))
    sure = (labels == classifier.classes.index("hole")).float() * masks.flatten(1).any(dim=1)
    for network in networks:
        sure *= predict_logits(network, images).softmax(dim=1).gather(1, labels[:, None])[:, 0]
    best = sure.argmax()[None]
    print(f"The networks give the class of the picture {sure[best].item():.2f} together", flush=True)
    return Nut(images[best], masks[best].bool(), labels[best], networks)


def _samples(batches: Sequence) -> tuple[Tensor, Tensor, Tensor]:
    found = [(batch.images, batch.masks, batch.labels) for batch in batches]
    images, masks, labels = (torch.cat(parts) for parts in zip(*found, strict=True))
    return images, masks, labels


def _transformer(images: Tensor, masks: Tensor, labels: Tensor, n_classes: int) -> nn.Module:
    """A small vision transformer, trained in a minute on images and their mirror images."""
    torch.manual_seed(0)
    shape = {"img_size": images.shape[-1], "depth": 4, "embed_dim": 96, "num_heads": 4, "num_classes": n_classes}
    model = timm.create_model("vit_tiny_patch16_224", pretrained=False, **shape)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    for _ in range(60):
        for rows in torch.randperm(len(images)).split(16):
            flips = [axis for axis in (-1, -2) if torch.rand(()) < 0.5]
            loss = functional.cross_entropy(model(images[rows].flip(flips)), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return xairank.adapt(model.eval(), image_size=images.shape[-1])


Panels = list[tuple[np.ndarray, str]]


def _panels_of_method(page: Page, nut: Nut) -> Panels:
    """The image, and the map over it."""
    method = instantiate(page.options, _convert_="all")
    network = next(network for network in nut.networks if not method.obstacle(network))
    maps, _ = explain({"": method}, network, nut.image, nut.target)[""]
    picture = _picture(nut.image)
    return [(picture / 255, "image, and outline of the defect"), (overlay(picture, maps[0].numpy()), page.title)]


def _panels_of_metric(page: Page, nut: Nut) -> Panels:
    """Three maps with their scores; of a measure, the images that it compares."""
    metric = instantiate(page.options)
    network, *_ = nut.networks
    if isinstance(metric, ImageMeasure):
        return _hidden(nut)
    maps = {"on the defect": _near(nut), "beside it": _beside(nut), "random": _random(nut)}
    explaining: dict = dict.fromkeys(maps)
    if isinstance(metric, Sensitivity):  # of which a map by itself has none
        explaining = {"Grad-CAM": GradCAM(), "Saliency": Saliency(), "Random": Random()}
        maps = {name: method(network, nut.image, nut.target) for name, method in explaining.items()}
    panels = []
    for name, values in maps.items():
        probe = make_probe(network, nut.image, nut.target, 32, explaining[name])
        score = metric(values, nut.mask, probe) if isinstance(metric, ModelMetric) else metric(values, nut.mask)
        panels.append((_colors(values), f"{name}: {score.item():.2f}"))
    return panels


def _near(nut: Nut) -> Tensor:
    return torch.from_numpy(gaussian_filter(nut.mask[0].float().numpy(), 3))[None]


def _beside(nut: Nut) -> Tensor:
    """The map on the defect, moved by an eighth of the image towards its middle, and blurred."""
    rows, columns = (where.float().mean() for where in nut.mask[0].nonzero(as_tuple=True))
    side = nut.mask.shape[-1]
    moved = [side / 8 * (1 if place < side / 2 else -1) for place in (rows, columns)]
    return torch.from_numpy(gaussian_filter(shift(_near(nut)[0].numpy(), moved, order=1), 5).clip(0))[None]


def _random(nut: Nut) -> Tensor:
    return torch.rand(nut.mask.shape, generator=torch.Generator().manual_seed(0))


def _hidden(nut: Nut) -> Panels:
    """The image, the defect hidden by the mean colour, another place hidden, with the logit of each."""
    network, *_ = nut.networks
    other = torch.from_numpy(elsewhere(nut.mask[0].numpy(), content_generator(nut.image[0], 0))[0])[None]
    panels = []
    for region, name in ((torch.zeros_like(nut.mask), "image"), (nut.mask, "defect hidden"), (other, "elsewhere")):
        image = torch.where(region[:, None], FILLS["mean_color"](nut.image, ~region), nut.image)
        logit = predict_logits(network, image)[0, nut.target]
        panels.append((_picture(image) / 255, f"{name}: logit {logit.item():.1f}"))
    return panels


def _picture(image: Tensor) -> np.ndarray:
    """An image without the grain of its noise, which would take most of the bytes."""
    pixels = (image[0].permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy()
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.MedianFilter(3)))


def _colors(maps: Tensor) -> np.ndarray:
    values = maps[0].numpy()
    return mpl.colormaps[MAP_COLORS](np.clip(values / (brightest(values) or 1), 0, 1))[..., :3]


def _png(panels: Panels, mask: np.ndarray) -> bytes:
    """The panels side by side, each with the outline of the mask and its words below."""
    height = HEIGHT if len(panels) == 2 else 1.85
    figure = Figure(figsize=(WIDTH, height), dpi=DPI)
    side, gap, words = (WIDTH - 0.06 * (len(panels) - 1)) / len(panels), 0.06, 0.22
    for place, (picture, name) in enumerate(panels):
        axes = figure.add_axes((place * (side + gap) / WIDTH, words / height, side / WIDTH, side / height))
        axes.imshow(picture, interpolation="bilinear")
        for color, width in (("black", 1.8), ("white", 0.8)):
            axes.contour(mask, levels=[0.5], colors=[color], linewidths=[width])
        axes.set_axis_off()
        axes.text(0.5, -0.02, name, transform=axes.transAxes, ha="center", va="top", fontsize=8.5, color="#222222")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    drawn = Image.open(buffer).convert("RGB")
    for colors in COLORS:
        smaller = io.BytesIO()
        drawn.quantize(colors, kmeans=3, dither=Image.Dither.NONE).save(smaller, format="png", optimize=True)
        if smaller.tell() <= LARGEST:
            break
    return smaller.getvalue()
