"""Seconds of every further method beside the tool that people take for it, batch by batch in turn.

    make bench-methods                               # 64 images of 224, EfficientNet-B0, 5 samples a method that draws
    make bench-methods ARGS="--samples 25 --images 8"

Ours and theirs explain the same batch one after the other, so that a busy machine disturbs the ratio little. Captum,
torch-cam and pytorch-grad-cam get batches as large as ours and parameters that want no gradients, which is more than
their tutorials do. Peak memory is that of the first batch and of all images at once: it must not grow with them.
"""

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import torch
from captum import attr
from pytorch_grad_cam import EigenCAM as GradCAMEigenCAM
from pytorch_grad_cam import HiResCAM as GradCAMHiResCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torchcam import methods as torchcam

from benchmarks.attribution.__main__ import create_network
from benchmarks.attribution.measuring import measure_memory, measure_seconds
from benchmarks.attribution.network import Network
from xairank import attribution
from xairank.attribution import AttributionMethod, explain, freeze

SIZE, WINDOW, STRIDE, NOISE = 224, 64, 32, 0.15
Explain = Callable[[Tensor, Tensor], Any]


def main() -> None:
    arguments = parse()
    device = torch.device(arguments.device)
    network = create_network(arguments.encoder, device).requires_grad_(False)
    images = torch.rand(arguments.images, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1)).to(device)
    with torch.no_grad():
        targets = torch.cat([network(part).argmax(dim=1) for part in images.split(8)])
    frozen = freeze(network.model, images[:1], batch_limit=arguments.batch)  # type: ignore[arg-type]
    table = Table("Method", "Beside", "ms an image", "theirs", "theirs / ours", "MiB a batch", "MiB all")
    for name, (method, tool, theirs) in contenders(network, arguments.samples).items():
        if arguments.methods and name not in arguments.methods:
            continue
        ours = by_xairank(method, frozen)
        seconds = in_turn(ours, theirs, images, targets, arguments.batch, device)
        memory = [peak(ours, images[:count], targets[:count], device) for count in (arguments.batch, len(images))]
        ratio = statistics.median(other / own for own, other in seconds)
        mine, other = (1000 * sum(some) / len(images) for some in zip(*seconds, strict=True))
        table.add_row(name, tool, f"{mine:.0f}", f"{other:.0f}", f"{ratio:.2f}", *(f"{some:.0f}" for some in memory))
        print(name, tool, f"{mine:.1f} {other:.1f} {ratio:.2f}", *(f"{some:.0f}" for some in memory), flush=True)
    Console().print(table)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "make bench-methods", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", default="efficientnet_b0", help="a timm name")
    parser.add_argument("--methods", nargs="+", help="only these")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--batch", type=int, default=4, help="images at once, ours and theirs (default 4)")
    parser.add_argument("--samples", type=int, default=5, help="of methods that draw or integrate (default 5)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


def in_turn(
    ours: Explain, theirs: Explain, images: Tensor, targets: Tensor, batch: int, device: torch.device
) -> list[tuple[float, float]]:
    """Seconds of both for each batch, after a first call of each that does not count."""
    for work in (ours, theirs):
        work(images[:batch], targets[:batch])
    found = []
    for some, wanted in zip(images.split(batch), targets.split(batch), strict=True):
        own = measure_seconds(lambda: ours(some, wanted), device)  # noqa: B023
        found.append((own, measure_seconds(lambda: theirs(some, wanted), device)))  # noqa: B023
    return found


def peak(work: Explain, images: Tensor, targets: Tensor, device: torch.device) -> float:
    return measure_memory(lambda: work(images, targets), device)


def by_xairank(method: AttributionMethod, frozen: Any) -> Explain:  # noqa: ANN401
    return lambda images, targets: explain({"": method}, frozen, images, targets)


def contenders(network: Network, samples: int) -> dict[str, tuple[AttributionMethod, str, Explain]]:
    """By name: our method, whose tool stands beside it, and that tool's call."""
    return {name: (method, "Captum", theirs) for name, (method, theirs) in of_captum(network, samples).items()} | {
        name: (method, tool, theirs) for name, (method, tool, theirs) in of_cams(network).items()
    }


def of_captum(network: Network, samples: int) -> dict[str, tuple[AttributionMethod, Explain]]:
    saliency, tunnel = attr.Saliency(network), attr.NoiseTunnel(attr.Saliency(network))
    product, guided = attr.InputXGradient(network), attr.GuidedBackprop(network)
    integrated, expected = attr.IntegratedGradients(network), attr.GradientShap(network)
    occlusion = attr.Occlusion(network)
    drawn = {"nt_samples": samples, "nt_samples_batch_size": 1, "stdevs": NOISE}

    def graph(images: Tensor) -> Tensor:
        return images.detach().clone().requires_grad_()

    def expected_gradients(images: Tensor, targets: Tensor) -> Any:  # noqa: ANN401
        """It keeps all samples of all images at once, so a user gives it an image a call."""
        baselines = torch.zeros_like(images[:1])
        return [
            expected.attribute(image[None], baselines, target=target[None], n_samples=samples, stdevs=0.0)
            for image, target in zip(images, targets, strict=True)
        ]

    return {
        "saliency": (attribution.Saliency(), lambda x, y: saliency.attribute(graph(x), y)),
        "input_x_gradient": (attribution.InputXGradient(), lambda x, y: product.attribute(graph(x), y)),
        "guided_backprop": (attribution.GuidedBackprop(), lambda x, y: guided.attribute(graph(x), y)),
        "integrated_gradients": (
            attribution.IntegratedGradients(n_steps=samples),
            lambda x, y: integrated.attribute(x, target=y, n_steps=samples, internal_batch_size=len(x)),
        ),
        "smoothgrad": (
            attribution.SmoothGrad(n_samples=samples, noise=NOISE),
            lambda x, y: tunnel.attribute(graph(x), target=y, nt_type="smoothgrad", **drawn),
        ),
        "vargrad": (
            attribution.VarGrad(n_samples=samples, noise=NOISE),
            lambda x, y: tunnel.attribute(graph(x), target=y, nt_type="vargrad", **drawn),
        ),
        "expected_gradients": (
            attribution.ExpectedGradients(n_samples=samples, baseline=["black"]),
            expected_gradients,
        ),
        "occlusion": (
            attribution.Occlusion(window=WINDOW, stride=STRIDE),
            lambda x, y: occlusion.attribute(x, (3, WINDOW, WINDOW), (3, STRIDE, STRIDE), target=y),
        ),
    }


def of_cams(network: Network) -> dict[str, tuple[AttributionMethod, str, Explain]]:
    return {
        "gradcam": (attribution.GradCAM(), "torch-cam", by_torchcam(torchcam.GradCAM, network)),
        "gradcam_plus_plus": (attribution.GradCAMPlusPlus(), "torch-cam", by_torchcam(torchcam.GradCAMpp, network)),
        "layer_cam": (attribution.LayerCAM(), "torch-cam", by_torchcam(torchcam.LayerCAM, network)),
        "xgrad_cam": (attribution.XGradCAM(), "torch-cam", by_torchcam(torchcam.XGradCAM, network)),
        "hires_cam": (attribution.HiResCAM(), "pytorch-grad-cam", by_pytorch_grad_cam(GradCAMHiResCAM, network)),
        "eigen_cam": (attribution.EigenCAM(), "pytorch-grad-cam", by_pytorch_grad_cam(GradCAMEigenCAM, network)),
    }


def by_torchcam(extractor: Any, network: Network) -> Explain:  # noqa: ANN401
    def explain_batch(images: Tensor, targets: Tensor) -> Any:  # noqa: ANN401
        with extractor(network, "features") as cam:
            return cam(targets.tolist(), network(images.clone().requires_grad_()))

    return explain_batch


def by_pytorch_grad_cam(extractor: Any, network: Network) -> Explain:  # noqa: ANN401
    cam = extractor(network, [network.features])
    return lambda images, targets: cam(
        images.clone().requires_grad_(), [ClassifierOutputTarget(target) for target in targets.tolist()]
    )


if __name__ == "__main__":
    main()
