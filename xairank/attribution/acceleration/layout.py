"""How feature maps lie in memory where a device computes fastest in single precision."""

import torch

# Channels-last serves a CPU's vectors, and a GPU's tensor cores, which maps have no use for: TF32 moves the top K.
_FASTEST = {"cuda": torch.contiguous_format}


def fastest_layout(device: torch.device) -> torch.memory_format:
    """The memory format for inputs and weights of convolutions."""
    return _FASTEST.get(device.type, torch.channels_last)
