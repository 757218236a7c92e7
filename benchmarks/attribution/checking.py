"""Whether a contender's maps are the expected ones: else it would be a race of different things."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from benchmarks.attribution.contenders import Entrant, known_methods
from benchmarks.attribution.network import Maps, Network

# Of an image's largest value, in the median over images: contenders whose maps differ more did not compute the same. In
# any float32 implementation rounding decides on which side of a ReLU's kink a value near zero falls: some images of
# every contender differ from float64's by several hundredths, while the others differ by 1e-6. Where so many do that
# the median is above the tolerance, the contender explains the images once more in float64, where rounding decides
# nothing, and those maps must agree with those of the plain methods in float64.
TOLERANCE = 1e-3
BATCH = 8  # images or steps at once in float64, where nothing is timed


class Referee:
    """Compares maps with those of the first contender, and in float64 where rounding may be why they differ.

    Args:
        network: In float32.
        images: (B, 3, H, W).
        targets: (B,).
        n_steps: Of integrated gradients.
    """

    def __init__(self, network: Network, images: Tensor, targets: Tensor, n_steps: int) -> None:
        self.network, self.images, self.targets, self.n_steps = network, images, targets, n_steps
        self.expected: Mapping[str, Tensor] = {}
        self._exact: Maps = {}

    def check(self, entrant: Entrant, maps: Maps) -> None:
        """Raises a ValueError where maps are not the expected ones; the first are those that are expected."""
        self.expected = self.expected or maps
        for method, found in maps.items():
            if difference(found, self.expected[method], entrant.scaled) <= TOLERANCE:
                continue
            error = difference(self._in_double(entrant, method), self._reference(method), entrant.scaled)
            if not error <= TOLERANCE:
                raise ValueError(f"its {method} differs by {error:.2g} of the largest value, in the median over images")

    def _in_double(self, entrant: Entrant, method: str) -> Tensor:
        network, images = self._doubled()
        return entrant.create(network, images[:1], (method,), self.n_steps, BATCH)(images, self.targets)[method]

    def _reference(self, method: str) -> Tensor:
        """The plain method, an image at a time; kept for the next contender."""
        if method not in self._exact:
            network, images = self._doubled()
            explain: Any = known_methods((method,), self.n_steps)[method]
            parts = zip(images.split(1), self.targets.split(1), strict=True)
            self._exact[method] = torch.cat([explain(network.model, *part, accelerate=False) for part in parts])
        return self._exact[method]

    def _doubled(self) -> tuple[Network, Tensor]:
        return copy.deepcopy(self.network).double(), self.images.double()


def difference(found: Tensor, expected: Tensor, scaled: bool) -> float:
    """The largest difference as a share of the expected map's largest value, in the median over images.

    Args:
        found: (B, H, W).
        expected: (B, H, W); maps that are zero, as a class activation map may be, do not count.
        scaled: Whether the found maps are scaled to [0, 1], as the expected ones then are before they are compared.
    """
    found, expected = found.detach().flatten(1), expected.detach().flatten(1)
    counts = expected.amax(dim=1) > 0
    if scaled:
        found, expected = (_to_unit(maps) for maps in (found, expected))
    differences = (found - expected).abs().amax(dim=1) / expected.amax(dim=1)
    return float(differences[counts].median())


def _to_unit(maps: Tensor) -> Tensor:
    low, high = maps.amin(dim=1, keepdim=True), maps.amax(dim=1, keepdim=True)
    return (maps - low) / (high - low)
