"""The batch size at which a model is explained fastest on the machine at hand, by a short measurement.

On a CPU it is the one whose activations stay in the cache, on a GPU one that fills it.
"""

import time
from typing import Protocol

import torch
from torch import Tensor

from xairank.attribution.engine import is_out_of_memory
from xairank.attribution.protocol import Model, explaining

CANDIDATES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
MOST_A_THREAD = 2  # on a CPU; what larger batches gain there, a tenth, takes twice the memory
REPEATS = 5
WORTH = 0.95  # of the least time an image so far: a larger batch, which takes more memory, must be faster than that
PATIENCE = 2  # sizes in a row that are not worth it end the search


class PrefixedModel(Model, Protocol):
    """A model that is cut behind its affine prefix."""

    def forward_prefix(self, images: Tensor, /) -> Tensor:
        """Images (B, 3, H, W) -> output of the prefix (B, c, y, x)."""
        ...

    def forward_rest(self, prefix: Tensor, /) -> Tensor:
        """Output of the prefix (B, c, y, x) -> feature map (B, C, h, w)."""
        ...


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
            inputs = start.repeat(batch, 1, 1, 1).contiguous(memory_format=torch.channels_last)
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
    scores = model.forward_head(model.forward_rest(inputs))
    torch.autograd.grad(scores[:, 0].sum(), inputs)
    if inputs.is_cuda:
        torch.cuda.synchronize(inputs.device)
    return time.perf_counter() - started


def default_batch_limit(device: torch.device) -> int:
    """A batch limit that is good on most machines, by a rule that always gives the same one on the same machine."""
    return min(16, MOST_A_THREAD * torch.get_num_threads()) if device.type == "cpu" else 64
