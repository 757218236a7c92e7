"""Seconds of the paper's whole job on a CPU: read images, train, explain every correctly classified defect, score maps.

    make bench-job ARGS="--weights FILE"                        # 128 rendered images, 8 epochs, 2 rounds
    make bench-job ARGS="--weights FILE --all --epochs 30"      # the 501 images and the epochs of the paper: hours

FILE holds ImageNet weights, which the paper starts from (``python -m xairank.data weights`` downloads them). From
random ones a few epochs teach the network nothing: it then may classify no defect correctly, and explain none.

Contenders: ``python -m xairank.train`` with nothing but what the others do too; the same as it comes, with controls,
all metrics, reliance and kept maps; a script as an expert would write it; a script like the code released with the
paper. All have the same images and split, the same network (xairank's class, so that what differs is the loop), the
same loss, flips, batches and epochs, and read the files themselves. Each is a process of its own, in turn, round after
round; the whole is from its start to its end. Weights and order are each one's own, so that overlaps, and how many
defects are classified correctly and so explained, are comparable, but not equal.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.attribution.measuring import processor
from benchmarks.job import task
from xairank.data.datamodule import DefectDataModule
from xairank.data.index import Source
from xairank.data.synthetic import SyntheticCategory, render_category

ROOT = Path(__file__).parents[2]
CATEGORY = "hazelnut"
DEFECTS = ("crack", "cut", "hole", "print")
ONLY_THE_SAME = (
    *("evaluation=overlap", "~evaluation.metrics.topk_iou", "~evaluation.measures.reliance"),
    *(f"~attribution.controls.{name}" for name in ("random", "center", "edges", "constant", "own_mask")),
    "attribution.keep_maps=false",
)
COMMANDS = {
    "xairank": ONLY_THE_SAME,
    "xairank, as it comes": (),
    "expert": "benchmarks.job.expert",
    "as released": "benchmarks.job.released",
}
PACKAGES = ("xairank", "torch", "torchvision", "timm", "captum", "quantus")


def main() -> None:
    arguments = parse()
    rows = []
    with tempfile.TemporaryDirectory(prefix="job-") as name:
        folder = Path(name)
        prepare(folder, category(arguments))
        for number in range(arguments.rounds):
            for contender in arguments.contenders:
                result = run(contender, folder, number, arguments)
                rows.append({"contender": contender, "round": number, **result})
                print(f"round {number + 1} of {arguments.rounds}: {contender}: {result['whole']:.1f} s", flush=True)
    found = pd.DataFrame(rows)
    show(found)
    write(found, arguments)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "make bench-job", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--contenders", nargs="+", default=list(COMMANDS), choices=list(COMMANDS))
    parser.add_argument("--good", type=int, default=48, help="images without a defect (default 48)")
    parser.add_argument("--defects", type=int, default=20, help="images of each of four defects (default 20)")
    parser.add_argument("--all", action="store_true", help="as many images of each class as the paper: 501")
    parser.add_argument("--size", type=int, default=256, help="of the files, in pixels (default 256; MVTec AD: 1024)")
    parser.add_argument("--encoder", default="efficientnet_b0", help="a timm name")
    parser.add_argument("--weights", type=Path, help="ImageNet weights of it, as in the paper; random ones without it")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2, help="each runs every contender once (default 2)")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results", help="folder of the CSV")
    return parser.parse_args()


def category(arguments: argparse.Namespace) -> SyntheticCategory:
    if arguments.all:
        return SyntheticCategory(image_size=arguments.size)
    return SyntheticCategory(arguments.good, dict.fromkeys(DEFECTS, arguments.defects), arguments.size)


def prepare(folder: Path, wanted: SyntheticCategory) -> None:
    """Renders the images, and writes samples.csv: files, classes and the split that xairank will make of them."""
    render_category(folder / "data" / CATEGORY, wanted)
    source = Source(CATEGORY, root=folder / "data")
    data = DefectDataModule(source, task.SIZE, "center", None, task.BATCH_SIZE, task.WORKERS, 0, 0, 5, False, 0)
    data.setup()
    data.table[["image", "mask", "label", "split"]].to_csv(folder / "samples.csv", index=False)


def run(contender: str, folder: Path, number: int, arguments: argparse.Namespace) -> dict[str, float]:
    """A contender's seconds, how many images it explained, and its mean overlaps."""
    command, seed = COMMANDS[contender], 42 + number
    if isinstance(command, str):
        options = ["--encoder", arguments.encoder, "--epochs", str(arguments.epochs), "--seed", str(seed)]
        options += ["--weights", str(arguments.weights.resolve())] if arguments.weights else []
        whole, output = timed([command, "samples.csv", *options], folder)
        return {**json.loads(output.splitlines()[-1]), "whole": whole}
    name = f"round_{number}_{list(COMMANDS).index(contender)}"
    whole, _ = timed(["xairank.train", f"name={name}", *overrides(arguments), f"seed={seed}", *command], folder)
    (run,) = (folder / "multirun" / name).glob("*/run.json")
    return {**read_run(run.parent), "whole": whole}


def overrides(arguments: argparse.Namespace) -> list[str]:
    """The keys of ``python -m xairank.train`` by which it does the same work; no image is decoded beforehand."""
    wanted = category(arguments)
    defects = ",".join(f"{label}:{count}" for label, count in wanted.defects.items())
    return [
        *("data=synthetic", "data.root=data", "data.cache=false", f"data.synthetic.image_size={wanted.image_size}"),
        *(f"data.synthetic.good={wanted.good}", f"data.synthetic.defects={{{defects}}}"),
        *(f"model.encoder={arguments.encoder}", "model.pretrained=false"),
        f"model.encoder_weights={arguments.weights.resolve() if arguments.weights else 'null'}",
        *(f"trainer.max_epochs={arguments.epochs}", "trainer.accelerator=cpu"),
    ]


def timed(module_and_arguments: list[str], folder: Path) -> tuple[float, str]:
    """Seconds of a process that runs a module in the folder, and what it prints; ends the benchmark where it fails."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", *module_and_arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(
            f"{module_and_arguments[0]}: exit status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-3000:]}"
        )
    return time.perf_counter() - started, done.stdout


def read_run(path: Path) -> dict[str, float]:
    """What the scripts report, of a run of xairank."""
    seconds = json.loads((path / "run.json").read_text(encoding="utf-8"))["seconds"]
    scores = pd.read_parquet(path / "scores.parquet")
    overlaps = scores.groupby("method")["topk_overlap"].mean()
    return {
        "training": seconds["data"] + seconds["training"],
        "explaining": seconds["attribution"],
        "explained": scores["sample"].nunique(),
        **{method: overlaps.get(method, float("nan")) for method in task.METHODS},
    }


def show(found: pd.DataFrame) -> None:
    """Medians over rounds, and the median of each contender's whole over xairank's in the same round."""
    seconds, overlaps = Table(title="Seconds"), Table(title="Mean top-K overlap")
    for table, columns in (
        (seconds, ("reading, training", "explaining, scoring", "whole", "times xairank")),
        (overlaps, ("images explained", *(method.replace("_", " ") for method in task.METHODS))),
    ):
        table.add_column("contender")
        for column in columns:
            table.add_column(column, justify="right")
    whole = found.pivot_table(index="round", columns="contender", values="whole", sort=False)
    for contender, rows in found.groupby("contender", sort=False):
        ratio = (whole[contender] / whole["xairank"]).median() if "xairank" in whole else float("nan")
        medians = rows[["training", "explaining", "whole", "explained", *task.METHODS]].median()
        phases = (f"{medians[phase]:.1f}" for phase in ("training", "explaining", "whole"))
        seconds.add_row(str(contender), *phases, f"{ratio:.2f}")
        means = (f"{medians[method]:.3f}" for method in task.METHODS)
        overlaps.add_row(str(contender), f"{medians['explained']:.0f}", *means)
    Console().print(seconds, overlaps)
    if not found["explained"].all():
        print("Some contender explained no image: take --weights, or more --epochs")


def write(found: pd.DataFrame, arguments: argparse.Namespace) -> None:
    """CSV with the setting, hardware, versions and date."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "job.csv"
    found.assign(
        encoder=arguments.encoder,
        epochs=arguments.epochs,
        images=sum(1 for _ in category(arguments).samples()),
        size=arguments.size,
        date=datetime.date.today().isoformat(),
        hardware=processor(),
        threads=torch.get_num_threads(),
        **{name: importlib.metadata.version(name) for name in PACKAGES},
    ).to_csv(path, index=False, float_format="%.4g")
    print(f"Written: {path}")


if __name__ == "__main__":
    main()
