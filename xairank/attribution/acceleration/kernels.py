"""Functions in C for what moves memory rather than computes, half the time of EfficientNet's gradient on a CPU.

PyTorch's SiLU takes one exponential on the way forward and another on the way back; ``kernels.c`` takes one. Its
squeeze-and-excitation goes over a feature map several times on the way back; ``kernels.c`` goes twice. It is compiled
when first needed, in a fraction of a second. Where there is no C compiler, or PyTorch's values are not met, PyTorch's
own functions serve.
"""

import ctypes
import functools
import logging
import math
import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

SOURCE = Path(__file__).with_name("kernels.c")
TOLERANCE = 2e-6
CHUNK = 196  # pixels summed one after the other
# Nothing of -ffast-math: divisions stay exact, and NaN and infinity stay what they are.
_FLAGS = "-O3 -march=native -ffp-contract=fast -fopenmp -fPIC"

logger = logging.getLogger(__name__)


class Kernels:
    """The functions of ``kernels.c``, for float32 feature maps on the CPU, (B, C, h, w) and channels-last.

    Args:
        library: The compiled file.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._silu = _function(library.silu, tensors=3, numbers=1)
        self._sum_of_products = _function(library.sum_of_products, tensors=3, numbers=4)
        self._chain = _function(library.chain, tensors=5, numbers=3)

    def silu(self, inputs: Tensor, derivative: Tensor) -> Tensor:
        """SiLU; its derivative is written, and may take the place of the inputs."""
        value = torch.empty_like(inputs)
        self._silu(*_addresses(inputs, value, derivative), inputs.numel())
        return value

    def sum_of_products(self, first: Tensor, second: Tensor) -> Tensor:
        """The sums over pixels of ``first * second``, (B, C)."""
        images, channels, height, width = first.shape
        sums = first.new_empty(images, math.ceil(height * width / CHUNK), channels)
        self._sum_of_products(*_addresses(first, second, sums), images, sums.shape[1], height * width, channels)
        return sums.sum(dim=1)

    def chain(self, gradient: Tensor, scale: Tensor, shift: Tensor, derivative: Tensor, result: Tensor) -> Tensor:
        """``(gradient * scale + shift) * derivative``, scale and shift (B, C); may take the derivative's place."""
        images, channels, height, width = gradient.shape
        self._chain(*_addresses(gradient, scale, shift, derivative, result), images, height * width, channels)
        return result


def _addresses(*tensors: Tensor) -> list[int]:
    return [tensor.data_ptr() for tensor in tensors]


@functools.cache
def compiled_kernels() -> Kernels | None:
    """The functions of ``kernels.c``, or None where they cannot be compiled or compute something else.

    The compiler is ``cc``, or what the environment variable ``CC`` names.
    """
    try:
        kernels = Kernels(_compile(shlex.split(os.environ.get("CC") or "cc")))
    except (OSError, subprocess.SubprocessError, AttributeError) as error:
        logger.info("PyTorch's own functions serve, more slowly: kernels.c cannot be compiled (%s)", error)
        return None
    difference = _difference(kernels)
    if difference > TOLERANCE:
        logger.warning("PyTorch's own functions serve, more slowly: kernels.c differs from them by %.1e", difference)
        return None
    if not _keeps_non_finite(kernels):
        logger.warning("PyTorch's own functions serve, more slowly: kernels.c turns NaN or infinity into numbers")
        return None
    return kernels


def kernels_in_use(device: torch.device) -> bool:
    """Whether the functions of ``kernels.c`` serve on a device."""
    return device.type == "cpu" and compiled_kernels() is not None


def _compile(compiler: list[str]) -> ctypes.CDLL:
    with tempfile.TemporaryDirectory() as folder:
        unlinked, library = Path(folder) / "kernels.o", Path(folder) / "kernels.so"
        for arguments in (
            [*_FLAGS.split(), "-c", str(SOURCE), "-o", str(unlinked)],
            # Linked without OpenMP, so that its calls reach the threads of PyTorch instead of starting others.
            ["-shared", str(unlinked), "-o", str(library)],
        ):
            subprocess.run([*compiler, *arguments], check=True, capture_output=True, stdin=subprocess.DEVNULL)
        return ctypes.CDLL(str(library))


def _function(function: Any, *, tensors: int, numbers: int) -> Callable[..., None]:  # noqa: ANN401
    function.argtypes, function.restype = [ctypes.c_void_p] * tensors + [ctypes.c_int64] * numbers, None
    compiled: Callable[..., None] = function
    return compiled


def _difference(kernels: Kernels) -> float:
    """Largest difference from PyTorch, relative to what is above one."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.linspace(-100, 100, 2 * 200 * 250).view(2, 200, 25, 10).contiguous(memory_format=torch.channels_last)
    gradient = torch.randn(inputs.shape, generator=generator).contiguous(memory_format=torch.channels_last)
    scale, shift = torch.randn(2, *inputs.shape[:2], generator=generator)
    exact = inputs.double()
    sigmoid = exact.sigmoid()
    expected = exact * sigmoid, sigmoid * (1 + exact * (1 - sigmoid))
    chained = (gradient * scale[..., None, None] + shift[..., None, None]) * expected[1]
    value = kernels.silu(inputs, derivative := inputs.clone())
    pairs = [
        (value, expected[0]),
        (derivative, expected[1]),
        (kernels.sum_of_products(gradient, derivative) / 250, (gradient * expected[1]).mean(dim=(2, 3))),
        (kernels.chain(gradient, scale, shift, derivative, derivative.clone()), chained),
    ]
    return max(float(((a - b).abs() / b.abs().clamp(min=1)).nan_to_num(nan=torch.inf).max()) for a, b in pairs)


def _keeps_non_finite(kernels: Kernels) -> bool:
    """Whether NaN and infinities give no finite number, wherever in a vector they stand; PyTorch's SiLU gives none."""
    for bad in (torch.nan, torch.inf, -torch.inf):
        for place in range(40):
            inputs = torch.ones(1, 40, 1, 2).contiguous(memory_format=torch.channels_last)
            ones, scale = inputs.clone(), torch.ones(1, 40)
            inputs[0, place, 0, 1] = bad
            derivative = ones.clone()
            results = (
                kernels.silu(inputs, derivative)[0, place, 0, 1],
                derivative[0, place, 0, 1],
                kernels.sum_of_products(inputs, ones)[0, place],
                kernels.sum_of_products(ones, inputs)[0, place],
                kernels.chain(inputs, scale, scale, ones, torch.empty_like(ones))[0, place, 0, 1],
                kernels.chain(ones, scale, scale, inputs, torch.empty_like(ones))[0, place, 0, 1],
            )
            if torch.stack(results).isfinite().any():
                return False
    return True
