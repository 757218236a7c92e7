"""Expected gradients."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from xairank.attribution.draws import Draws, checked_whole
from xairank.attribution.engine import AttributionMethod, Explanation
from xairank.attribution.forward_pass import ForwardPass
from xairank.attribution.path import BASELINES
from xairank.attribution.stream import stream_input_gradients


class ExpectedGradients(AttributionMethod):
    """Integrated gradients averaged over many baselines, at random points of their paths.

    ``A = mean over samples of (x - x') * d score / d x at x' + a (x - x')``, with a baseline ``x'`` drawn alike from
    those given and ``a`` alike from [0, 1) for each sample (Erion et al., Nature Machine Intelligence 2021, Eq. 5). The
    map is the sum over channels of ``|A|``, as for integrated gradients.

    GradientSHAP is the same computation and is therefore not a method of its own: Lundberg & Lee's package (2017)
    implements expected gradients under this name, and Captum's ``GradientShap`` with ``stdevs=0``, its default,
    computes exactly the mean above. What it may add, noise on the image, is that of :class:`SmoothGrad`.

    No single baseline decides: what has the colour of one (black defects, for a black baseline) differs from the
    others. The paper draws them from the training images, which can be given; a method by itself sees only the images
    that it explains, and its map must not depend on which others are in the batch, so that by default they are four
    images without evidence. The draws depend on the image's content and ``seed`` alone. Cost: ``2 * n_samples`` forward
    passes an image.

    Args:
        n_samples: Draws of a baseline and a position, for each image.
        baseline: One or several of ``black``, ``white``, ``mean_color``, ``blurred`` and ``uniform`` (noise, a new one
            for each draw); or images (N, C, H, W) in the model's input space, such as some of the training's.
        seed: Other seeds make other draws.
        **options: Those of every method, see :class:`~xairank.attribution.AttributionMethod`.

    Raises:
        ValueError: An option that is not allowed; names it and what is. Baselines whose size is not that of the images.
    """

    label = "Expected gradients"

    def __init__(
        self,
        n_samples: int = 50,
        baseline: str | Sequence[str] | Tensor = ("black", "white", "mean_color", "blurred"),
        seed: int = 0,
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(**options)
        self.n_samples = checked_whole("n_samples", n_samples, 1)
        self.seed = checked_whole("seed", seed, 0)
        self.baseline = baseline if isinstance(baseline, Tensor) else _checked_names(baseline)
        if isinstance(baseline, Tensor) and (baseline.ndim != 4 or not len(baseline)):
            raise ValueError(f"baseline: found images {tuple(baseline.shape)}, expected at least one, (N, C, H, W)")

    def passes(self, images: Tensor) -> int:
        """About how many forward passes each of these images costs."""
        return 2 * self.n_samples

    def attribute(self, forward: ForwardPass) -> Explanation:
        """Maps (B, H, W)."""
        images = forward.images
        draw = self._draw(forward)
        differences: dict[tuple[int, int], Tensor] = {}

        def on_the_paths(image: int, steps: slice) -> Tensor:
            starts, positions = draw(image, steps)
            differences[image, steps.start] = images[image] - starts
            return starts + positions * differences[image, steps.start]

        totals = torch.zeros_like(images)
        rows = torch.arange(len(images), device=images.device)
        for image, steps, gradients in stream_input_gradients(forward, rows, self.n_samples, on_the_paths):
            totals[image] += (differences.pop((image, steps.start)) * gradients).sum(dim=0)
        return (totals / self.n_samples).abs().sum(dim=1), {}

    def _draw(self, forward: ForwardPass) -> Callable[[int, slice], tuple[Tensor, Tensor]]:
        """What gives the baselines (samples, C, H, W) and positions (samples, 1, 1, 1) of some samples of an image."""
        images, draws = forward.images, Draws(forward.images, self.seed)
        choices = self._choices(images)

        def draw(image: int, steps: slice) -> tuple[Tensor, Tensor]:
            starts, positions = [], []
            for step in range(steps.start, steps.stop):
                generator = draws.generator(image, step)
                positions.append(generator.random())
                choice = choices[generator.integers(len(choices))]
                if choice is None:
                    start = torch.from_numpy(generator.random(images.shape[1:], dtype="float32")).to(images)
                else:
                    start = choice[image if len(choice) > 1 else 0]
                starts.append(start)
            return torch.stack(starts), images.new_tensor(positions).view(-1, 1, 1, 1)

        return draw

    def _choices(self, images: Tensor) -> list[Tensor | None]:
        """The baselines to draw from, each (B, C, H, W) or (1, C, H, W); None is noise, new for each draw."""
        if not isinstance(self.baseline, Tensor):
            return [None if name == "uniform" else BASELINES[name](images)[0] for name in self.baseline]
        if self.baseline.shape[1:] != images.shape[1:]:
            raise ValueError(
                f"baseline: found images {tuple(self.baseline.shape[1:])}, expected {tuple(images.shape[1:])}, the "
                "shape of those to explain"
            )
        return list(self.baseline.to(images).split(1))


def _checked_names(baseline: str | Sequence[str]) -> tuple[str, ...]:
    names = (baseline,) if isinstance(baseline, str) else tuple(baseline)
    for name in names or ("",):
        if name not in BASELINES:
            raise ValueError(f"baseline={name} is not allowed: expected {' or '.join(BASELINES)}, or several of them")
    return names
