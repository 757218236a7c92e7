"""The stages of a network: the layers at which its resolution ends."""

from torch import Tensor, nn

from xairank.errors import UserError
from xairank.models.layers import FeatureLayer, find_maps


def find_stages(model: nn.Module, images: Tensor) -> tuple[FeatureLayer, ...]:
    """The last layer at each resolution that gives a map with influence everywhere, from the largest to the smallest.

    A layer within a block that takes this resolution to the next one is a step on the way there, past which a residual
    may go, and does not count: of ResNet-50 the stages are those of timm, not the convolutions before a stride.

    Args:
        model: In evaluation mode.
        images: A few images that it takes, (B, 3, H, W).

    Raises:
        UserError: The model cannot take the images, or its logits do not depend on them.
    """
    maps = find_maps(model, images)
    sizes = sorted({_size(layer) for layer in maps}, key=lambda size: size[0] * size[1], reverse=True)
    return tuple(
        _last(maps, size, _between(maps, size, smaller))
        for size, smaller in zip(sizes, [*sizes[1:], None], strict=True)
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


def _between(maps: list[FeatureLayer], size: tuple[int, int], smaller: tuple[int, int] | None) -> tuple[str, ...]:
    """Prefixes of the names of layers within blocks that have maps of two sizes, and give the smaller."""
    prefixes = [f"{layer.name}." for layer in maps if _size(layer) == smaller]
    return tuple(
        prefix
        for prefix in prefixes
        if {_size(layer) for layer in maps if layer.name.startswith(prefix)} <= {size, smaller}
    )


def _last(maps: list[FeatureLayer], size: tuple[int, int], between: tuple[str, ...]) -> FeatureLayer:
    """The last map of a size that is not within a block on the way to the next; of any where all of them are."""
    found = [layer for layer in maps if _size(layer) == size]
    return ([layer for layer in found if not layer.name.startswith(between)] or found)[-1]
