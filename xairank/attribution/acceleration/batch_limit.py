"""The batch size at which a model is explained fastest on the machine at hand, by a short measurement.

On a CPU it is the one whose activations stay in the cache, on a GPU one that fills it.
"""

import time
from typing import Any, Protocol

import torch
from torch import Tensor

from xairank.attribution.acceleration.layout import fastest_layout
from xairank.attribution.protocol import Model, as_parts, explaining, is_out_of_memory

CANDIDATES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
MOST_A_THREAD = 4  # on a CPU; what larger batches gain there, a twentieth, takes twice the memory
MOST_BY_RULE = 16  # on a CPU of many threads
ON_ACCELERATORS = 64
REPEATS = 5
WORTH = 0.95  # of the least time an image so far: a larger batch, which takes more memory, must be faster than that
PATIENCE = 2  # sizes in a row that are not worth it end the search


class PrefixedModel(Model, Protocol):
    """A model that is cut behind its affine prefix."""

    def forward_prefix(self, images: Tensor, /) -> Tensor:
        """Images (B, 3, H, W) -> output of the prefix (B, c, y, x)."""
        ...

    def forward_rest(self, prefix: Tensor, /) -> Any:  # noqa: ANN401
        """Output of the prefix (B, c, y, x) -> feature map (B, C, h, w), or a tuple that begins with it."""
        ...


def default_batch_limit(device: torch.device) -> int:
    """A batch limit that is near the best of the machines that were measured, by a rule.

    It depends on the device and the number of threads alone. A measurement, :func:`measure_batch_limit`, finds what is
    fastest, but not the same twice, and another batch rounds sums in another order: the same run would give other bits.
    """
    if device.type == "cpu":
        return min(MOST_A_THREAD * torch.get_num_threads(), MOST_BY_RULE)
    return ON_ACCELERATORS


def checked_limit(limit: int) -> int:
    """The limit itself.

    Raises:
        ValueError: It is below 1.
    """
    if limit < 1:
        raise ValueError(f"batch_limit={limit} is not allowed: expected a whole number of at least 1")
    return limit


def measure_batch_limit(model: PrefixedModel, image: Tensor) -> int:
    """The smallest batch size with nearly the least time an image: what ``batch_limit`` of a frozen model should be.

    Args:
        model: Frozen.
        image: One image, (1, 3, H, W).
    """
    candidates = [size for size in CANDIDATES if image.is_cuda or size <= MOST_A_THREAD * torch.get_num_threads()]
    best, least, misses = CANDIDATES[0], float("inf"), 0
    with explaining(model):
        start = model.forward_prefix(image.detach()).detach()
        for batch in candidates:
            inputs = start.repeat(batch, 1, 1, 1).contiguous(memory_format=fastest_layout(start.device))
            try:
                _seconds(model, inputs)  # the first pass of a size waits for memory and compilers
                seconds = min(_seconds(model, inputs) for _ in range(REPEATS)) / batch
            except Exception as error:
                if batch == CANDIDATES[0] or not is_out_of_memory(error):
                    raise
                break
            if seconds < WORTH * least:
                best, least, misses = batch, seconds, 0
                continue
            misses += 1
            if misses == PATIENCE:
                break
    return best


def _seconds(model: PrefixedModel, inputs: Tensor) -> float:
    inputs = inputs.detach().requires_grad_()
    started = time.perf_counter()
    scores = model.forward_head(*as_parts(model.forward_rest(inputs)))
    torch.autograd.grad(scores[:, 0].sum(), inputs)
    if inputs.is_cuda:
        torch.cuda.synchronize(inputs.device)
    return time.perf_counter() - started
