"""Random numbers that belong to an image, whatever the batch in which it is explained."""

import numpy as np
from torch import Tensor

from xairank.tensors import content_digest


class Draws:
    """A generator for each sample of each image: what the image shows, the sample's number, and a seed decide it.

    Args:
        images: (B, C, H, W).
        seed: Other seeds give other numbers.
    """

    def __init__(self, images: Tensor, seed: int) -> None:
        self._keys = [[seed, *content_digest(image)] for image in images]

    def generator(self, image: int, sample: int) -> np.random.Generator:
        """That of a sample of the image at this place of the batch."""
        return np.random.default_rng([*self._keys[image], sample])


def checked_whole(name: str, value: object, least: int) -> int:
    """An option that is a whole number of at least ``least``.

    Raises:
        ValueError: It is something else; names the option.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name}={value} is not allowed: expected a whole number of at least {least}")
    return value
