"""What methods and metrics cost, measured on tiny networks, and what they need, by what they refuse."""

import functools

import timm
import torch
from hydra.utils import instantiate
from torch import Tensor, nn

import xairank
from xairank.attribution import Cost, explain
from xairank.attribution.controls.control import Control
from xairank.evaluation import ImageMeasure, ModelMetric, Probe
from xairank.names import count, in_words

SIDE = 224  # pixels, on which the number of an occlusion's windows depends
CHANNELS = 64  # of the last feature map, as many as Score-CAM uses


def method_cost(options: dict) -> str:
    """Forward passes of a method, given as its entry, an image of 224 pixels."""
    method = instantiate(options, _convert_="all")
    model = next(model for model in (convolutional(), transformer(), Decoding()) if not method.obstacle(model))
    costs: dict[str, Cost] = {}
    explain({"": method}, model, _images(1), costs=costs)
    passes = round(costs[""].passes / costs[""].images)
    alone = " (the prediction)" if passes == 1 else ""
    return f"{count(passes, 'forward pass', 'forward passes')}{alone}"


def method_needs(options: dict) -> str:
    """What a classifier must have."""
    method = instantiate(options, _convert_="all")
    if isinstance(method, Control):
        return "the image alone" if method.reads_image else "nothing"
    if method.needs_decoder:
        return "a model with a decoder"
    if method.needs_feature_map:
        return "a feature map" if method.layer is None else "feature maps at several resolutions"
    if method.obstacle(convolutional()):
        return "a transformer whose tokens all attend to one another"
    return "a convolutional network" if method.obstacle(transformer()) else "any classifier"


def metric_cost(options: dict) -> str:
    """Forward passes a map, or an image, and explanations."""
    metric = instantiate(options)
    maps, masks = _maps_and_masks()
    images = _images(len(maps), maps.shape[-1])
    probe = Probe(images, torch.zeros(len(maps), dtype=torch.int64), _logits, 64, lambda images: images.sum(dim=1))
    if isinstance(metric, ModelMetric):
        metric(maps, masks, probe)
    elif isinstance(metric, ImageMeasure):
        metric(masks, probe)
    what = "an image" if isinstance(metric, ImageMeasure) else "a map"
    counted = []
    if probe.passes:
        counted.append(f"{count(probe.passes // len(maps), 'forward pass', 'forward passes')} {what}")
    if probe.explanations:
        counted.append(f"{count(probe.explanations // len(maps), 'explanation')} {what}")
    return in_words(counted) or "no forward pass"


def metric_needs(options: dict) -> str:
    """What it must be given."""
    metric = instantiate(options)
    if isinstance(metric, ImageMeasure):
        return "the model and the mask"
    if isinstance(metric, ModelMetric):
        return "the model"
    maps, masks = _maps_and_masks()
    if torch.equal(metric(maps, masks), metric(maps, masks.flip(1))):
        return "the map alone"
    return f"the mask{', and maps without negative values' * metric.non_negative}"


@functools.cache
def convolutional() -> nn.Module:
    """Three convolutions, whose maps are the stages."""
    layers: list[nn.Module] = []
    torch.manual_seed(0)
    for before, after, stride in ((3, 4, 4), (4, 8, 4), (8, CHANNELS, 2)):
        layers += [nn.Conv2d(before, after, stride, stride), nn.BatchNorm2d(after), nn.ReLU()]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 2))
    return xairank.adapt(network.eval(), image_size=SIDE)


@functools.cache
def transformer() -> nn.Module:
    """A vision transformer of two narrow blocks."""
    torch.manual_seed(0)
    options = {"depth": 2, "embed_dim": 16, "num_heads": 2, "num_classes": 2}
    return xairank.adapt(timm.create_model("vit_tiny_patch16_224", pretrained=False, **options).eval(), image_size=SIDE)


class Decoding(nn.Module):
    """A classifier that predicts a mask, too."""

    def __init__(self) -> None:
        super().__init__()
        self.network = convolutional()

    def forward_features(self, images: Tensor) -> Tensor:
        return self.network.forward_features(images)

    def forward_head(self, features: Tensor) -> Tensor:
        return self.network.forward_head(features)

    def decode(self, features: Tensor, size: tuple[int, int]) -> Tensor:
        return nn.functional.interpolate(features[:, :1], size)[:, 0]


def _images(n_images: int, side: int = SIDE) -> Tensor:
    return torch.rand(n_images, 3, side, side, generator=torch.Generator().manual_seed(0))


def _maps_and_masks() -> tuple[Tensor, Tensor]:
    maps, masks = _images(2, 16)[:, 0], torch.zeros(2, 16, 16, dtype=torch.bool)
    masks[:, 2:6, 3:7] = True
    return maps, masks


def _logits(images: Tensor) -> Tensor:
    return images.mean(dim=(2, 3))
