"""Times and memory of the attribution methods, for xairank and for what a user would pick instead.

    make bench                                                # all encoders, the three methods and each of them
    make bench ARGS="--encoders efficientnet_b0 --rounds 5"   # less, longer
    make bench ARGS="--vary steps"                            # cost against the steps; also images, batch

All contenders explain the same images with the same network in the same process, in turn, round after round; a round's
ratios compare what ran within seconds of each other, so a busy machine disturbs them little. Peak memory is that of a
call before the rounds. Writes CSV and a picture after each table. A contender that fails, or whose maps are not the
others', is left out and said so; exit status 1.
"""

import argparse
import datetime
import functools
import importlib.metadata
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import timm
import torch
from rich.console import Console
from rich.table import Table

import xairank
from benchmarks.attribution.checking import Referee
from benchmarks.attribution.contenders import CONTENDERS
from benchmarks.attribution.measuring import measure_memory, measure_seconds, processor
from benchmarks.attribution.network import METHODS, Maps, Network
from benchmarks.attribution.plot import plot

ENCODERS = ("efficientnet_b0", "resnet50", "convnext_tiny", "mobilenetv3_large_100", "vit_small_patch16_224")
VARIED = {"images": (1, 2, 8, 32, 128, 512), "steps": (10, 25, 50, 100, 200), "batch": (1, 2, 4, 8, 16, 32, 64)}
CHECKED = 7  # images
MOST_ONE_BY_ONE = 16  # images of contenders that take one at a time, whose time an image is that of a few
PACKAGES = ("xairank", "torch", "timm", "captum", "quantus", "torchcam", "grad-cam")
console = Console()


def main() -> None:
    arguments = parse()
    device = torch.device(arguments.device)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    rows: list[dict[str, object]] = []
    problems: list[str] = []
    for encoder in arguments.encoders:
        network = create_network(encoder, device)
        for methods in [METHODS] + [(name,) for name in METHODS] * (not arguments.together):
            for value in VARIED.get(arguments.vary, (None,)):
                setting = {"encoder": encoder, "methods": "+".join(methods), arguments.vary: value}
                found = compare(network, methods, setting, arguments, device, problems)
                rows += found
                if not found:
                    continue
                show(pd.DataFrame(found))
                write(pd.DataFrame(rows).drop(columns="nothing", errors="ignore"), arguments, device)
    console.print(f"Written: {arguments.out}/{file_name(arguments)}.csv and .png")
    sys.exit(1 if problems else 0)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser("make bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--encoders", nargs="+", default=ENCODERS, help="timm names")
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), choices=list(CONTENDERS))
    parser.add_argument("--images", type=int, default=16, help="images explained in a round (default 16)")
    parser.add_argument("--steps", type=int, default=25, help="of integrated gradients (default 25)")
    parser.add_argument("--rounds", type=int, default=3, help="each runs every contender once (default 3)")
    parser.add_argument("--together", action="store_true", help="only the three methods together, none alone")
    parser.add_argument("--vary", choices=["nothing", *VARIED], default="nothing", help="cost against what")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results"), help="folder of the CSV and the picture"
    )
    arguments = parser.parse_args()
    arguments.together |= arguments.vary != "nothing"
    return arguments


def create_network(encoder: str, device: torch.device) -> Network:
    """Random weights, with batch norms that saw some images: else activations fade and denormal numbers cost time."""
    torch.manual_seed(0)
    model = timm.create_model(encoder, pretrained=False, num_classes=5).to(device).train()
    with torch.no_grad():
        for _ in range(10):
            model(torch.rand(8, 3, 224, 224, device=device))
        features = model.eval().forward_features(torch.rand(1, 3, 224, 224, device=device))
    return Network(model if features.ndim == 4 else xairank.adapt(model)).eval()  # the tokens of ViT are no map


def compare(
    network: Network,
    methods: tuple[str, ...],
    setting: dict[str, object],
    arguments: argparse.Namespace,
    device: torch.device,
    problems: list[str],
) -> list[dict[str, object]]:
    """A row a contender and round; contenders that cannot take part are added to ``problems``."""
    count, steps = int(setting.get("images") or arguments.images), int(setting.get("steps") or arguments.steps)
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(count, 3, 224, 224, generator=generator).to(device)
    with torch.no_grad():
        targets = torch.cat([network(part).argmax(dim=1) for part in images.split(8)])
    calls: dict[str, Callable[[], Maps]] = {}
    counts: dict[str, int] = {}
    referee = Referee(network, images[:CHECKED], targets[:CHECKED], steps)
    for name in arguments.contenders:
        entrant = CONTENDERS[name]
        if not set(methods) <= set(entrant.methods):
            continue
        try:
            contender = entrant.create(network, images[:1], methods, steps, setting.get("batch"))
            referee.check(entrant, contender(images[:CHECKED], targets[:CHECKED]))  # also warms up
        except Exception as error:  # another tool's network, memory or maps: the others still race
            problems.append(f"{setting['encoder']}, {setting['methods']}: {name} is left out: {error}")
            console.print(problems[-1])
            continue
        counts[name] = min(count, MOST_ONE_BY_ONE) if entrant.one_by_one else count
        calls[name] = functools.partial(contender, images[: counts[name]], targets[: counts[name]])
    rows: list[dict[str, object]] = []
    memory = {name: measure_memory(call, device) for name, call in calls.items()}
    for number in range(arguments.rounds):
        for name, call in calls.items():
            milliseconds = 1000 * measure_seconds(call, device) / counts[name]
            row = {"contender": name, "round": number, "ms_an_image": milliseconds, "peak_mib": memory[name]}
            rows.append(setting | row)
    return rows


def show(table: pd.DataFrame) -> None:
    """Medians, and the median over rounds of each contender's time over xairank's in the same round."""
    first = table.iloc[0]
    said = [str(first[name]) for name in table if name not in ("contender", "round", "ms_an_image", "peak_mib")]
    output = Table(title=", ".join(word for word in said if word != "None"), title_justify="left")
    for column in ("Contender", "ms an image", "times xairank", "peak MiB"):
        output.add_column(column, justify="left" if column == "Contender" else "right")
    times = table.pivot_table(index="round", columns="contender", values="ms_an_image", sort=False)
    memory = table.groupby("contender", sort=False)["peak_mib"].median()
    for name in times:
        ratio = (times[name] / times["xairank"]).median() if "xairank" in times else float("nan")
        output.add_row(name, f"{times[name].median():,.1f}", f"{ratio:.2f}", f"{memory[name]:,.0f}")
    console.print(output)


def write(table: pd.DataFrame, arguments: argparse.Namespace, device: torch.device) -> None:
    """CSV with hardware, versions and date, and a picture of it."""
    hardware = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    table = table.assign(
        date=datetime.date.today().isoformat(),
        hardware=hardware,
        threads=torch.get_num_threads(),
        **{name: importlib.metadata.version(name) for name in PACKAGES},
    )
    name = file_name(arguments)
    arguments.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(arguments.out / f"{name}.csv", index=False, float_format="%.4g")
    plot(table, arguments.vary, arguments.out / f"{name}.png")


def file_name(arguments: argparse.Namespace) -> str:
    return "attribution" if arguments.vary == "nothing" else f"attribution_by_{arguments.vary}"


if __name__ == "__main__":
    main()
