"""A map read as mass: the share of its sum in each pixel."""

from torch import Tensor

from xairank.evaluation.checks import check_mass


def shares(maps: Tensor) -> Tensor:
    """The share of a map's mass in each pixel, ``map / sum(map)``; of a zero map 1 / N, as of a constant one.

    Args:
        maps: (B, H, W), non-negative, finite.

    Returns:
        Shares (B, H, W) float64, each map's of sum 1.

    Raises:
        ValueError: Negative values.

    Example:
        >>> import torch
        >>> shares(torch.tensor([[[3.0, 1.0]], [[0.0, 0.0]]])).tolist()
        [[[0.75, 0.25]], [[0.5, 0.5]]]
    """
    check_mass(maps)
    values = maps.double()
    largest = values.amax(dim=(1, 2), keepdim=True)
    zero = (largest == 0).double()  # 1 for a zero map, which becomes a map of ones
    # Divided by the largest value first, as a sum of huge values overflows.
    scaled = (values + zero) / (largest + zero)
    return scaled / scaled.sum(dim=(1, 2), keepdim=True)
