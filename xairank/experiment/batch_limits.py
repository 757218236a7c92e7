"""The fastest batch limit of a network on this machine, measured once and remembered."""

import hashlib
import json
import platform
from contextlib import suppress
from pathlib import Path

import platformdirs
import torch
from torch import Tensor

from xairank.attribution import FrozenModel, measure_batch_limit
from xairank.files import write_text


def remembered_batch_limit(model: FrozenModel, image: Tensor) -> int:
    """What was measured for this network, image size and machine before, or is measured now, in seconds.

    It is remembered in the user's cache folder because sums are rounded in another order with another batch: the same
    run, repeated on the same machine, must give the same bits.

    Args:
        model: Frozen, on its device.
        image: One image, (1, 3, H, W).
    """
    memory = Path(platformdirs.user_cache_dir("xairank")) / "batch_limits" / f"{_situation(model, image)}.json"
    try:
        return int(json.loads(memory.read_text(encoding="utf-8"))["batch_limit"])
    except (OSError, ValueError, KeyError, TypeError):
        limit = measure_batch_limit(model, image)
    with suppress(OSError):  # no place to remember it: another run measures again
        write_text(memory, json.dumps({"batch_limit": limit}) + "\n")
    return limit


def _situation(model: FrozenModel, image: Tensor) -> str:
    """A name for all that the speed depends on: network, image, device, threads, versions."""
    shapes = [(name, tuple(tensor.shape)) for name, tensor in model.state_dict().items()]
    device = torch.cuda.get_device_name(image.device) if image.is_cuda else f"{image.device} {platform.processor()}"
    parts = (shapes, tuple(image.shape), device, torch.get_num_threads(), torch.__version__)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]
