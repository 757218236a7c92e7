"""Seconds of explaining an adapted torchvision network, beside timm's of the same architecture, in turn.

    make bench-adapted                      # resnet50, 8 images of 224, the paper's three methods

timm's network speaks the protocol itself; torchvision's is traced and cut by ``xairank.adapt``. Both are frozen.
"""

import argparse
from collections.abc import Callable

import numpy as np
import timm
import torch
import torchvision
from torch import nn

from benchmarks.attribution.measuring import measure_seconds
from xairank import adapt
from xairank.attribution import GradCAM, IntegratedGradients, Saliency, explain, freeze


def main() -> None:
    arguments = parse()
    device = torch.device(arguments.device)
    images = torch.rand(arguments.images, 3, 224, 224, generator=torch.Generator().manual_seed(0)).to(device)
    networks: dict[str, Callable[[], nn.Module]] = {
        "timm": lambda: timm.create_model(arguments.network, num_classes=5),
        "torchvision": lambda: adapt(torchvision.models.get_model(arguments.network, num_classes=5)),
    }
    methods = {"gradcam": GradCAM(), "saliency": Saliency(), "ig": IntegratedGradients(n_steps=arguments.steps)}
    frozen = {name: freeze(make().to(device).eval(), images[:1], batch_limit=8) for name, make in networks.items()}
    seconds: dict[str, list[float]] = {name: [] for name in frozen}
    for number in range(arguments.rounds):
        for name, model in frozen.items():
            seconds[name].append(measure_seconds(lambda model=model: explain(methods, model, images), device))
            print(f"round {number + 1}: {name} {seconds[name][-1]:.2f} s", flush=True)
    ratios = np.divide(seconds["torchvision"], seconds["timm"])
    print(f"torchvision / timm: median {np.median(ratios):.3f}, from {ratios.min():.3f} to {ratios.max():.3f}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="resnet50", help="a name that timm and torchvision share")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--steps", type=int, default=25, help="of integrated gradients (default 25)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


if __name__ == "__main__":
    main()
