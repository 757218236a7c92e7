"""The stages of a network: the layers at which its resolution ends."""

from itertools import zip_longest

from torch import Tensor, nn

from xairank.errors import UserError
from xairank.models.feature_layer import FeatureLayer
from xairank.models.layers import find_maps, with_influence


def find_stages(model: nn.Module, images: Tensor) -> tuple[FeatureLayer, ...]:
    """The last layer at each resolution that gives a map with influence everywhere, from the largest to the smallest.

    A layer within a block that takes this resolution to the next one is a step on the way there, past which a residual
    may go, and does not count: of ResNet-50 the stages are those of timm, not the convolutions before a stride. No map
    of the image's own shape does either, such as the normalised image.

    Args:
        model: In evaluation mode.
        images: A few images that it takes, (B, 3, H, W).

    Raises:
        UserError: The model cannot take the images, or its logits do not depend on them.
    """
    found = find_maps(model, images)
    maps = [(layer, share) for layer, share in found if share and layer.shape != images.shape[1:]]
    sizes = sorted({_size(layer) for layer, _ in maps}, key=lambda size: size[0] * size[1], reverse=True)
    layers = [layer for layer, _ in maps]
    return tuple(
        _last(with_influence([(layer, share) for layer, share in maps if _size(layer) == size]), layers, smaller)
        for size, smaller in zip_longest(sizes, sizes[1:])
    )


def find_stage(model: nn.Module, images: Tensor, number: int) -> FeatureLayer:
    """One of the stages, by its number as in a list: 0 is the first one, -1 the last.

    Raises:
        UserError: There are not that many; and as :func:`find_stages`.
    """
    stages = find_stages(model, images)
    count, name = len(stages), type(model).__name__
    if not stages:
        raise UserError(f"layer={number}: no layer of {name} gives a feature map that the logits depend on everywhere")
    if not -count <= number < count:
        raise UserError(
            f"layer={number}: {name} has {count} stages; expected a whole number from {-count} to {count - 1}, or the "
            "name of a layer"
        )
    return stages[number]


def _size(layer: FeatureLayer) -> tuple[int, int]:
    return layer.shape[1:]


def _last(found: list[FeatureLayer], layers: list[FeatureLayer], smaller: tuple[int, int] | None) -> FeatureLayer:
    """The last of the layers of one size that is in no block on the way to the next; of any where all of them are."""
    sizes = {_size(found[0]), smaller}
    blocks = [f"{layer.name}." for layer in layers if _size(layer) == smaller]
    between = tuple(
        block for block in blocks if all(_size(layer) in sizes for layer in layers if layer.name.startswith(block))
    )
    return ([layer for layer in found if not layer.name.startswith(between)] or found)[-1]
