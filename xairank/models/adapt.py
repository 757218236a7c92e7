"""Any classifier in the protocol of attribution, images -> feature map -> logits: cut behind one of its layers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from xairank.errors import UserError
from xairank.models.cut import Cut, Hooked, Traced, Uncut
from xairank.models.feature_layer import FeatureLayer
from xairank.models.layers import find_feature_layer, logits_of
from xairank.models.normalize import Normalize
from xairank.models.stages import find_stage, find_stages

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
        image_size: Height and width of the images it was cut with, in pixels.
    """

    def __init__(
        self,
        cut: Cut,
        layer: FeatureLayer | None,
        normalize: nn.Module,
        network: nn.Module,
        image_size: tuple[int, int],
    ) -> None:
        super().__init__()
        self.normalize = normalize
        self.image_size = image_size
        # The whole network, to be cut elsewhere; in a tuple, since its weights are those of the cut and saved as these.
        self._network = (network,)
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

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the network's layers that end a stage, see :func:`xairank.models.stages.find_stages`.

        Example:
            >>> from torchvision.models import resnet18
            >>> adapt(resnet18(), image_size=64).stages
            ('relu', 'layer1', 'layer2', 'layer3', 'layer4')
        """
        return stage_names(self._network[0], self.image_size)

    def at_layer(self, layer: str | int) -> "AdaptedModel":
        """The same classifier, cut at another layer; its weights are this model's.

        Each call cuts anew, which takes a few passes; a frozen model keeps its cuts.

        Args:
            layer: Name of a module of the network; or the number of a stage: 0 is the first one, -1 the last.

        Raises:
            UserError: There is no such layer, or it gives no feature map.
        """
        return _adapted(self._network[0], layer, self.image_size, self.normalize, like=self)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "AdaptedModel":
        """Moves or casts the whole network too, of which the cut holds only what a pass reads."""
        self._network[0]._apply(fn, recurse)
        return super()._apply(fn, recurse)


def adapt(
    model: nn.Module,
    layer: str | int | None = None,
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
            (B, h, w, C), or tokens (B, N, C); or the number of one of its stages, 0 for the first one, -1 for the last.
            By default the last layer before the head at which every position of the map has an influence on the logits;
            for a transformer with a class token that lies within its last block.
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
    normalize: nn.Module = nn.Identity()
    if mean is not None or std is not None:
        images = _example(model, image_size)
        channels = images.shape[1]
        normalize = Normalize(mean or (0.0,) * channels, std or (1.0,) * channels).to(images)
    return _adapted(model, layer, image_size, normalize, like=model)


def stage_names(model: nn.Module, image_size: int | tuple[int, int]) -> tuple[str, ...]:
    """Names of the layers that end a stage of a network, for images of a size in pixels."""
    with _evaluating(model):
        return tuple(stage.name for stage in find_stages(model, _example(model, image_size)))


def _adapted(
    network: nn.Module,
    layer: str | int | None,
    image_size: int | tuple[int, int] | None,
    normalize: nn.Module,
    like: nn.Module,
) -> AdaptedModel:
    """A network, cut; its modules keep their modes, and what ``like`` does not have takes its mode."""
    with _evaluating(network):
        images = _example(network, image_size)
        found = (
            find_stage(network, images, layer) if isinstance(layer, int) else find_feature_layer(network, images, layer)
        )
        cut = _cut(network, images, found)
    adapted = AdaptedModel(cut, found, normalize, network, (images.shape[-2], images.shape[-1]))
    known = set(like.modules())
    for module in adapted.modules():
        if module not in known:
            module.training = like.training
    return adapted


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode with gradients, whatever the caller's; each module has its own mode again at exit."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


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
