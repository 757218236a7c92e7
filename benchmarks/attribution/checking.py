"""Whether a contender's maps are the expected ones: else it would be a race of different things."""

import copy
from typing import Any

import torch
from torch import Tensor

from benchmarks.attribution.contenders import Entrant, known_methods
from benchmarks.attribution.network import Maps, Network

# Of an image's largest value, in the median over images: contenders whose maps differ more did not compute the same. In
# any float32 implementation rounding decides on which side of a ReLU's kink a value near zero falls: some images of
# every contender differ from float64's by several hundredths, while the others differ by 1e-6. Where so many do that
# the median is above the tolerance, most pixels must still agree, and the contender explains the images once more in
# float64, where rounding decides nothing: those maps must agree with those of the plain methods in float64.
TOLERANCE = 1e-3
MOST_PIXELS = 1e-2  # of an image's largest value, in the median over pixels
BATCH = 8  # images or steps at once in float64, where nothing is timed


class Referee:
    """Compares maps with those of the plain methods, on the network as it is.

    Args:
        network: In float32.
        images: (B, 3, H, W).
        targets: (B,).
        n_steps: Of integrated gradients.
    """

    def __init__(self, network: Network, images: Tensor, targets: Tensor, n_steps: int) -> None:
        self.network, self.images, self.targets, self.n_steps = network, images, targets, n_steps
        self._plain: Maps = {}
        self._doubled: Maps = {}

    def check(self, entrant: Entrant, maps: Maps) -> None:
        """Raises a ValueError where maps are not those of the plain methods."""
        for method, found in maps.items():
            plain = self._explained(self._plain, method, self.network, self.images)
            error = difference(found, plain, entrant.scaled)
            if error <= TOLERANCE:
                continue
            if difference(found, plain, entrant.scaled, most=True) <= MOST_PIXELS:
                error = self._in_double(entrant, method)
            if not error <= TOLERANCE:
                raise ValueError(f"its {method} differs by {error:.2g} of the largest value, in the median over images")

    def _in_double(self, entrant: Entrant, method: str) -> float:
        """How far an entrant's maps are from those of the plain method in float64."""
        network, images = copy.deepcopy(self.network).double(), self.images.double()
        contender = entrant.create(network, images[:1], (method,), self.n_steps, BATCH)
        plain = self._explained(self._doubled, method, network, images)
        return difference(contender(images, self.targets)[method], plain, entrant.scaled)

    def _explained(self, known: Maps, method: str, network: Network, images: Tensor) -> Tensor:
        """The plain method, an image at a time; kept for the next contender."""
        if method not in known:
            explain: Any = known_methods((method,), self.n_steps)[method]
            parts = zip(images.split(1), self.targets.split(1), strict=True)
            known[method] = torch.cat([explain(network.model, *part, accelerate=False) for part in parts])
        return known[method]


def difference(found: Tensor, expected: Tensor, scaled: bool, *, most: bool = False) -> float:
    """The largest difference as a share of the expected map's largest value, in the median over images.

    Args:
        found: (B, H, W).
        expected: (B, H, W); maps that are zero, as a class activation map may be, do not count.
        scaled: Whether the found maps are scaled to [0, 1], as the expected ones then are before they are compared.
        most: Whether the median difference of pixels counts, not the largest.
    """
    found, expected = found.detach().flatten(1), expected.detach().flatten(1)
    counts = expected.amax(dim=1) > 0
    if scaled:
        found, expected = (_to_unit(maps) for maps in (found, expected))
    differences = (found - expected).abs()
    differences = (differences.median(dim=1).values if most else differences.amax(dim=1)) / expected.amax(dim=1)
    return float(differences[counts].median())


def _to_unit(maps: Tensor) -> Tensor:
    low, high = maps.amin(dim=1, keepdim=True), maps.amax(dim=1, keepdim=True)
    return (maps - low) / (high - low)
