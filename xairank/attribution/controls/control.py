"""What controls without evidence have in common."""

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor

from xairank.attribution.engine import AttributionMethod, Explanation
from xairank.attribution.forward_pass import ForwardPass
from xairank.schema import NO_EVIDENCE


class Control(AttributionMethod):
    """A map that is made of the image alone, so that it is no evidence of what the model decides.

    Attributes:
        reads_image: Whether the map depends on what the image shows; otherwise its size is enough.
    """

    control = NO_EVIDENCE
    reads_image: ClassVar[bool] = True

    @abstractmethod
    def from_images(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) -> maps (B, H, W), non-negative."""

    def attribute(self, forward: ForwardPass) -> Explanation:
        """Maps (B, H, W)."""
        return self.from_images(forward.images), {}
