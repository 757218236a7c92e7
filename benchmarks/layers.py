"""Where the time of a gradient goes, by kind of layer, beside what this processor can do: ``make bench-layers``.

    make bench-layers                                     # EfficientNet-B0
    make bench-layers ARGS="convnext_tiny --batch 4"

The network is frozen as for explaining, and sent forward and back in batches. Layers are timed in the pass itself, as
alone they find in the cache what they read. The least that a layer could take is its arithmetic at the rate of a large
matrix product, or its reading and writing at the rate of a large copy, whichever is more.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks.attribution.__main__ import create_network
from xairank.attribution import default_batch_limit, freeze
from xairank.attribution.acceleration import layers
from xairank.attribution.acceleration.memory import freed_memory_kept
from xairank.attribution.protocol import as_parts

PASSES = 15
console = Console()


class Clock:
    """Seconds, arithmetic and bytes of each kind of layer, forward and backward, summed over passes.

    Args:
        rate: Operations a second of a large matrix product.
        bandwidth: Bytes a second of a large copy, read and written.
    """

    def __init__(self, rate: float, bandwidth: float) -> None:
        self._rate, self._bandwidth = rate, bandwidth
        self.seconds: dict[tuple[str, str], float] = defaultdict(float)
        self.operations: dict[tuple[str, str], float] = defaultdict(float)
        self.floor: dict[tuple[str, str], float] = defaultdict(float)

    def watch(self) -> None:
        """Lets the layers of all frozen networks tell the time that they take."""
        forward, backward = layers.Convolution.forward, layers._Convolve.backward

        def timed_forward(layer: layers.Convolution, inputs: Tensor) -> Tensor:
            output = self._timed(lambda: forward(layer, inputs), key := (kind(layer.original), "forward"))
            written = 1 + layer.activated + (layer.excitation is not None)  # output, derivative, gated
            self._count(key, operations(layer.original, output), inputs.numel() + written * output.numel())
            return output

        def timed_backward(context: Any, gradient: Tensor) -> Any:  # noqa: ANN401
            layer = context.layer
            result = self._timed(lambda: backward(context, gradient), key := (kind(layer.original), "backward"))
            read = 1 + layer.activated + (layer.excitation is not None)
            self._count(key, operations(layer.original, gradient), read * gradient.numel() + result[0].numel())
            return result

        layers.Convolution.forward = timed_forward  # type: ignore[method-assign]
        layers._Convolve.backward = staticmethod(timed_backward)  # type: ignore[assignment]

    def _timed(self, work: Callable[[], Any], key: tuple[str, str]) -> Any:  # noqa: ANN401
        started = time.perf_counter()
        result = work()
        self.seconds[key] += time.perf_counter() - started
        return result

    def _count(self, key: tuple[str, str], operations: float, numbers: int) -> None:
        self.operations[key] += operations
        self.floor[key] += max(operations / self._rate, 4 * numbers / self._bandwidth)


def kind(layer: nn.Conv2d) -> str:
    """What people call such a convolution."""
    if layer.groups == layer.in_channels > 1:
        return "depthwise"
    return "1 x 1" if layer.kernel_size == (1, 1) else "other"


def operations(layer: nn.Conv2d, output: Tensor) -> float:
    """Multiplications and additions of a convolution; its transpose takes as many."""
    height, width = layer.kernel_size
    return 2 * output.numel() * layer.in_channels // layer.groups * height * width


def matrix_product_rate() -> float:
    """Operations a second of a large matrix product in float32."""
    left, right = torch.randn(2, 1024, 1024)
    return 2 * 1024**3 / _least_seconds(lambda: left @ right)


def copy_rate() -> float:
    """Bytes a second, read and written, of a copy that no cache holds."""
    source = torch.ones(2**26)
    target = torch.empty_like(source)
    return 2 * source.nbytes / _least_seconds(lambda: target.copy_(source))


def _least_seconds(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(
        "make bench-layers", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("encoder", nargs="?", default="efficientnet_b0", help="timm name")
    parser.add_argument("--batch", type=int, help="images a pass (default: the batch limit)")
    arguments = parser.parse_args()
    device = torch.device("cpu")
    batch = arguments.batch or default_batch_limit(device)
    frozen = freeze(create_network(arguments.encoder, device).model, torch.rand(1, 3, 224, 224))  # type: ignore[arg-type]
    rate, bandwidth = matrix_product_rate(), copy_rate()
    clock = Clock(rate, bandwidth)
    with freed_memory_kept():
        start = frozen.forward_prefix(torch.rand(batch, 3, 224, 224)).detach()

        def gradient() -> None:
            inputs = start.detach().requires_grad_()
            logits = frozen.forward_head(*as_parts(frozen.forward_rest(inputs)))
            torch.autograd.grad(logits[:, 0].sum(), inputs)

        for _ in range(3):
            gradient()
        clock.watch()
        started = time.perf_counter()
        for _ in range(PASSES):
            gradient()
        total = time.perf_counter() - started
    show(clock, total, PASSES * batch, f"{arguments.encoder}, {batch} images a pass, {torch.get_num_threads()} threads")
    console.print(
        f"Matrix product {rate / 1e9:.0f} thousand million operations a second, copy {bandwidth / 1e9:.0f} GB/s"
    )


def show(clock: Clock, total: float, images: int, title: str) -> None:
    """A row a kind and direction: milliseconds and millions of operations an image."""
    table = Table(title=title, title_justify="left")
    for column in ("Convolutions, with what alone reads them", "", "ms an image", "least", "million operations"):
        table.add_column(column, justify="right" if column and column[0] in "ml" else "left")
    for key in sorted(clock.seconds):
        numbers = 1e3 * clock.seconds[key], 1e3 * clock.floor[key], clock.operations[key] / 1e6
        times = [f"{value / images:.2f}" for value in numbers[:2]]
        table.add_row(*key, *times, f"{numbers[2] / images:,.0f}")
    rest = total - sum(clock.seconds.values())
    table.add_row("everything else", "", f"{1e3 * rest / images:.2f}", "", "")
    table.add_section()
    table.add_row("all", "", f"{1e3 * total / images:.2f}", f"{1e3 * sum(clock.floor.values()) / images:.2f}", "")
    console.print(table)


if __name__ == "__main__":
    main()
