"""Any classifier in the protocol of attribution, images -> feature map -> logits: cut behind one of its layers."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from xairank.errors import UserError
from xairank.models.cut import Cut, Hooked, Traced, Uncut
from xairank.models.encoder_decoder import Normalize
from xairank.models.layers import FeatureLayer, find_feature_layer, logits_of

DEFAULT_SIZE = 224
TOLERANCE = 1e-3  # relative, in the Euclidean norm: both parts run the same layers, so only rounding may differ


class AdaptedModel(nn.Module):
    """A classifier cut in two at one of its layers; made by :func:`adapt`.

    ``forward_head(*forward_features(images))`` is the classifier. Where only the feature map crosses the cut,
    ``forward_features`` gives it alone, as timm's does. Where more does (a residual, the class token of a transformer,
    the images of a network that cannot be traced), it gives the map and then the rest, which the head takes as it came.

    Attributes:
        layer: Name of the layer whose output is the feature map; empty where there is none.
        feature_shape: (C, h, w) of the feature map of one image, (classes,) where there is none.
    """

    def __init__(self, cut: Cut, layer: FeatureLayer | None, normalize: nn.Module) -> None:
        super().__init__()
        self.normalize = normalize
        self.cut = cut
        self.layer = layer.name if layer else ""
        self.feature_shape = layer.shape if layer else ()

    def forward_features(self, images: Tensor) -> Tensor | tuple[Any, ...]:
        """Images (B, 3, H, W) -> feature map (B, C, h, w), or a tuple that begins with it."""
        features, *others = self.cut.before(self.normalize(images))
        return (features, *others) if others else features

    def forward_head(self, features: Tensor, *others: Any) -> Tensor:  # noqa: ANN401
        """What ``forward_features`` gave -> logits (B, classes)."""
        return logits_of(self.cut.after(features, *others))

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) -> logits (B, classes)."""
        features = self.forward_features(images)
        return self.forward_head(*features) if isinstance(features, tuple) else self.forward_head(features)


def adapt(
    model: nn.Module,
    layer: str | None = None,
    *,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    image_size: int | tuple[int, int] | None = None,
) -> AdaptedModel:
    """Any image classifier as something that can be explained: timm, torchvision, transformers, one of your own.

    The network is traced with torch.fx and cut behind ``layer``; where it cannot be traced, hooks that are there only
    during a pass take its place, and a pass through the head costs one through the network. The classifier shares its
    weights with the result and is not changed.

    Args:
        model: Takes images (B, 3, H, W), gives logits (B, classes), alone or in an output object as ``logits``.
        layer: Name of the module whose output is the feature map, such as ``layer4`` or ``features.7``: (B, C, h, w),
            (B, h, w, C), or tokens (B, N, C). By default the last one before the head at which every position of the
            map has an influence on the logits; for a transformer with a class token that lies within its last block.
        mean: Subtracted from each channel of an image before the network; by default nothing is.
        std: What each channel is then divided by.
        image_size: Side, or height and width, of the images in pixels; by default timm's or transformers' own, or 224.

    Raises:
        UserError: No network is given, there is no such layer, it gives no map, it is called several times, or the
            model cannot take images of this size.

    Example:
        >>> from torchvision.models import resnet18
        >>> adapted = adapt(resnet18())
        >>> adapted.layer, adapted.feature_shape
        ('layer4', (512, 7, 7))
    """
    if not isinstance(model, nn.Module):
        raise UserError(f"model: found {type(model).__name__}, expected a torch.nn.Module")
    images = _example(model, image_size)
    training = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        found = find_feature_layer(model, images, layer)
        cut = _cut(model, images, found)
    finally:
        for module, mode in training:
            module.training = mode
    normalize: nn.Module = nn.Identity()
    if mean is not None or std is not None:
        channels = images.shape[1]
        normalize = Normalize(mean or (0.0,) * channels, std or (1.0,) * channels).to(images)
    return AdaptedModel(cut, found, normalize).train(model.training)


def _cut(model: nn.Module, images: Tensor, layer: FeatureLayer | None) -> Cut:
    """The model in two parts that compute what it computes: logits and gradients at the images.

    Raises:
        UserError: Neither way of cutting it computes the same.
    """
    if layer is None:
        return Uncut(model)
    try:
        traced = Traced(model, layer)
        if _is_same(traced, model, images):
            return traced
    except Exception:  # torch.fx raises whatever the network's own code does with a proxy
        pass
    hooked = Hooked(model, layer)
    if _is_same(hooked, model, images):
        return hooked
    raise UserError(
        f"layer={layer.name}: {type(model).__name__} computes something else when it is cut there; name another layer"
    )


def _is_same(cut: Cut, model: nn.Module, images: Tensor) -> bool:
    """Whether a cut network gives the logits and gradients of the whole one, and hands on nothing but tensors."""

    def through_the_cut(inputs: Tensor) -> Tensor:
        parts = cut.before(inputs)
        if any(isinstance(part, tuple | list | dict) for part in parts):
            raise TypeError("a container crosses the cut, whose tensors would lose their gradients")
        return logits_of(cut.after(*parts))

    found, expected = _logits_and_gradients(through_the_cut, images), _logits_and_gradients(model, images)
    return all(
        (a - b).norm() <= TOLERANCE * b.norm() + torch.finfo(b.dtype).tiny for a, b in zip(found, expected, strict=True)
    )


def _logits_and_gradients(function: Callable[[Tensor], Any], images: Tensor) -> tuple[Tensor, Tensor]:
    with torch.inference_mode(False), torch.enable_grad():
        inputs = images.detach().clone().requires_grad_()
        logits = logits_of(function(inputs.clone()))  # a network may work in place on its images
        mixture = torch.randn(logits.shape, generator=torch.Generator().manual_seed(0)).to(logits)
        (gradient,) = torch.autograd.grad((logits * mixture).sum(), inputs)
    return logits.detach(), gradient


def _example(model: nn.Module, image_size: int | tuple[int, int] | None) -> Tensor:
    """Two images of noise, of the size, type and device that the model takes."""
    size = image_size or _own_size(model)
    height, width = (size, size) if isinstance(size, int) else size
    parameter = next(model.parameters(), torch.zeros(()))
    images = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    return images.to(parameter.device, parameter.dtype)


def _own_size(model: nn.Module) -> int | tuple[int, int]:
    """What timm and transformers say of the size of their images."""
    timm_size = getattr(model, "pretrained_cfg", None) or {}
    if "input_size" in timm_size:
        return (timm_size["input_size"][-2], timm_size["input_size"][-1])
    own = getattr(getattr(model, "config", None), "image_size", DEFAULT_SIZE)
    if isinstance(own, int):
        return own
    if isinstance(own, list | tuple) and len(own) == 2:
        return (own[0], own[1])
    raise UserError(f"image_size: {type(model).__name__} says {own} of its images; give image_size=(height, width)")
