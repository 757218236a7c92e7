"""Noisy copies of each image, for methods that explain all of them: SmoothGrad and VarGrad."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from xairank.attribution.draws import Draws, checked_whole
from xairank.attribution.engine import AttributionMethod
from xairank.attribution.forward_pass import ForwardPass


class NoisyMethod(AttributionMethod):
    """A method that looks at copies of the image with Gaussian noise, independent for each pixel and channel.

    The noise depends on the image's content and ``seed`` alone. It is not clipped: noisy images may leave [0, 1].

    Args:
        n_samples: Noisy copies of an image.
        noise: Standard deviation of the noise, as a share of the image's range: its largest minus its smallest value.
        seed: Other seeds draw other noise.
        **options: Those of every method, see :class:`~xairank.attribution.AttributionMethod`.

    Raises:
        ValueError: An option that is not allowed; names it and what is.

    Attributes:
        least_samples: The fewest samples that make sense.
    """

    least_samples: ClassVar[int] = 1

    def __init__(self, n_samples: int = 25, noise: float = 0.15, seed: int = 0, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        if isinstance(noise, bool) or not isinstance(noise, int | float) or not 0 < noise < float("inf"):
            raise ValueError(f"noise={noise} is not allowed: expected a number greater than 0")
        self.n_samples = checked_whole("n_samples", n_samples, self.least_samples)
        self.noise = float(noise)
        self.seed = checked_whole("seed", seed, 0)

    def passes(self, images: Tensor) -> int:
        """About how many forward passes each of these images costs."""
        return 2 * self.n_samples

    def noisy(self, forward: ForwardPass) -> Callable[[int, slice], Tensor]:
        """What gives some samples (samples, C, H, W) of the image at a place of the batch."""
        images, draws = forward.images, Draws(forward.images, self.seed)
        deviations = self.noise * (images.amax(dim=(1, 2, 3)) - images.amin(dim=(1, 2, 3)))

        def samples(image: int, steps: slice) -> Tensor:
            noise = [
                torch.from_numpy(draws.generator(image, step).standard_normal(images.shape[1:], dtype="float32"))
                for step in range(steps.start, steps.stop)
            ]
            return images[image] + deviations[image] * torch.stack(noise).to(images)

        return samples
