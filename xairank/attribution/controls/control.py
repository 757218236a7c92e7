"""What controls without evidence have in common."""

from abc import abstractmethod

from torch import Tensor

from xairank.attribution.engine import AttributionMethod, Explanation
from xairank.attribution.forward_pass import ForwardPass
from xairank.schema import NO_EVIDENCE


class Control(AttributionMethod):
    """A map that is made of the image alone, so that it is no evidence of what the model decides."""

    control = NO_EVIDENCE

    @abstractmethod
    def from_images(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) -> maps (B, H, W), non-negative."""

    def attribute(self, forward: ForwardPass) -> Explanation:
        """Maps (B, H, W)."""
        return self.from_images(forward.images), {}
