"""A Gaussian blur of maps, after the fact."""

from torch import Tensor

from xairank.tensors import gaussian_blur


def smoothed(maps: Tensor, sigma: float) -> Tensor:
    """Maps (B, H, W), blurred by a Gaussian.

    At the border the map is mirrored, so that none of its mass is lost. A constant map stays as it is: rounding would
    order its pixels, which are ties.

    Args:
        maps: To blur.
        sigma: Standard deviation, in pixels; 0 leaves the maps as they are.
    """
    if sigma == 0:
        return maps
    constant = maps.flatten(1).amax(dim=1) == maps.flatten(1).amin(dim=1)
    return maps.where(constant.view(-1, 1, 1), gaussian_blur(maps, sigma))
