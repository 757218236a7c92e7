"""All that can only be seen on a GPU, in at most nine minutes, and one report of it.

    make gpu-check                                # benchmarks/results/gpu-check.md
    make gpu-check ARGS="--minutes 5 --device cpu"

In this order: the tests that need a GPU; the same seed twice, whose scores must be equal bit by bit; four seeds at
once on the one device, whose scores must be those of each alone; ten seeds of the paper's size (EfficientNet-B0, 501
rendered images, 30 epochs), as many as time allows; the attribution methods beside Captum and the released loop.
Without a GPU the same goes through on the CPU with small sizes, and what needs a GPU is skipped. Exit status 1 if
anything failed.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch

ROOT = Path(__file__).parents[1]
# A network that has learnt enough for images to be ranked, in seconds.
SMALL = (
    *("data=synthetic", "data.root=data/small", "data.image_size=96", "data.synthetic.image_size=96"),
    *("data.synthetic.good=24", "data.synthetic.defects={crack:12,hole:12}", "data.batch_size=8"),
    *("model.encoder=resnet10t", "model.pretrained=false", "model.lr=0.001", "trainer.max_epochs=8"),
)
PAPER = ("data=synthetic", "data.root=data/paper", "model.pretrained=false")
AT_ONCE = 5  # runs of the ten
TEN = "seed=42,43,44,45,46,47,48,49,50,51"


class Finding(NamedTuple):
    """What a check found: a line of the report; ``output`` is shown below it where there is some."""

    check: str
    verdict: str
    seconds: float
    figure: str
    output: str = ""


class Bench:
    """Runs commands in a folder of their own until time is over.

    Args:
        folder: Where runs are written.
        accelerator: ``gpu`` or ``cpu``.
        seconds: In all.
    """

    def __init__(self, folder: Path, accelerator: str, seconds: float) -> None:
        self.folder, self.accelerator = folder, accelerator
        self.ends = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return self.ends - time.monotonic()

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        }
        # Processes that share the cores through threads wait for one another.
        threads = 1 if self.accelerator == "cpu" else max(1, (os.cpu_count() or 1) // AT_ONCE)
        environment.setdefault("OMP_NUM_THREADS", str(threads))
        command = [sys.executable, "-m", *arguments]
        return subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def finish(self, process: "subprocess.Popen[str]", longest: float) -> tuple[int | None, str]:
        """Exit status, None where time was over, and output."""
        try:
            output, _ = process.communicate(timeout=max(1.0, min(longest, self.left)))
            return process.returncode, output
        except subprocess.TimeoutExpired:
            process.terminate()
            output, _ = process.communicate()
            return None, output

    def train(self, name: str, *overrides: str) -> "subprocess.Popen[str]":
        return self.start("xairank.train", f"name={name}", *overrides, f"trainer.accelerator={self.accelerator}")

    def scores(self, name: str) -> dict[str, bytes]:
        """What ``scores.parquet`` of each finished run holds, by seed."""
        runs = sorted((self.folder / "multirun" / name).glob("*/run.json"))
        return {run.parent.name.rpartition("seed=")[2]: (run.parent / "scores.parquet").read_bytes() for run in runs}

    def phases(self, name: str) -> str:
        """How long the phases of a run took, in words: medians over the finished runs of a sweep."""
        runs = (self.folder / "multirun" / name).glob("*/run.json")
        seconds = pd.DataFrame([json.loads(run.read_text())["seconds"] for run in runs]).median()
        return "".join(f"; {phase} {value:.0f} s a run" for phase, value in seconds.items())


def main() -> None:
    arguments = parse()
    accelerator = "gpu" if arguments.device == "cuda" else "cpu"
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), accelerator, 60 * arguments.minutes)
        for check in (check_tests, check_twice, check_at_once, check_paper, check_speed):
            started = time.monotonic()
            found = check(bench) if bench.left > 10 else Finding(check.__name__, "not run", 0, "no time was left")
            findings.append(found._replace(seconds=time.monotonic() - started))
            print(f"{found.verdict:8} {found.check}: {found.figure}", flush=True)
    write(arguments.out, findings)
    print(f"Report: {arguments.out}")
    sys.exit(any(found.verdict == "FAILED" for found in findings))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "make gpu-check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=9, help="in all; what does not fit is cut short (default 9)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=["cuda", "cpu"])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/gpu-check.md"), help="the report")
    return parser.parse_args()


def check_tests(bench: Bench) -> Finding:
    """The tests that need a GPU."""
    name = "tests/gpu"
    options = ["-q", "-p", "no:cacheprovider", "-n", "4"]  # most of the time goes to the CPU, which they compare with
    status, output = bench.finish(bench.start("pytest", *options, str(ROOT / "tests/gpu")), 150)
    last = output.strip().splitlines()[-1] if output.strip() else ""
    if bench.accelerator == "cpu":
        return Finding(name, "skipped", 0, last)
    return Finding(name, "passed" if status == 0 else "FAILED", 0, last, "" if status == 0 else output)


def check_twice(bench: Bench) -> Finding:
    """The same seed twice."""
    name = "one seed twice, scores bit by bit"
    for again in ("first", "second"):
        status, output = bench.finish(bench.train(again, *SMALL, "seed=42"), 120)
        if status != 0:
            return _failure(name, status, output)
    first, second = bench.scores("first"), bench.scores("second")
    if first == second and first:
        return Finding(name, "passed", 0, f"equal, {len(first['42']):,} bytes")
    return Finding(name, "FAILED", 0, "the two differ")


def check_at_once(bench: Bench) -> Finding:
    """Four seeds at once on one device."""
    count = 4 if bench.accelerator == "gpu" else 2
    name = f"{count} seeds at once on one device"
    seeds = [str(seed) for seed in range(42, 42 + count)]
    started = time.monotonic()
    bench.finish(bench.train("one", *SMALL, "seed=42"), 120)
    alone, started = time.monotonic() - started, time.monotonic()
    for process in [bench.train("once", *SMALL, f"seed={seed}") for seed in seeds]:
        status, output = bench.finish(process, 180)
        if status != 0:
            return _failure(name, status, output)
    together = time.monotonic() - started
    figure = (
        f"{together:.0f} s together, {alone:.0f} s one alone: {count * alone / together:.1f} times one after the other"
    )
    same = bench.scores("once").get("42") == bench.scores("one").get("42") is not None
    return Finding(name, "passed" if same else "FAILED", 0, figure + ("" if same else "; seed 42 differs from alone"))


def check_paper(bench: Bench) -> Finding:
    """Ten seeds of the paper's size; on the CPU two of a small one."""
    on_gpu = bench.accelerator == "gpu"
    name = "ten seeds of the paper's size, rendered" if on_gpu else "a small sweep instead of the paper's"
    # Some at once: one alone leaves a large GPU idle while its processor core gets the next operations ready.
    jobs = max(1, min(AT_ONCE, (os.cpu_count() or 1) // 2))
    at_once = ["hydra/launcher=joblib", f"hydra.launcher.n_jobs={jobs}"]
    overrides = [*PAPER, TEN, *at_once] if on_gpu else [*SMALL, "seed=42,43"]
    started = time.monotonic()
    status, output = bench.finish(bench.train("sweep", *overrides, "-m"), max(30.0, bench.left - 120))
    done, seconds = len(bench.scores("sweep")), time.monotonic() - started
    if status not in (0, None):
        return _failure(name, status, output)
    figure = f"{done} seeds in {seconds:.0f} s"
    if on_gpu:
        figure += f", {jobs} at once"
    if status is None:
        figure += ", then time was over"
    return Finding(name, "passed" if status == 0 else "cut short", 0, figure + bench.phases("sweep"), _tail(output))


def check_speed(bench: Bench) -> Finding:
    """The attribution methods beside other tools."""
    name = "make bench"
    sizes = ["--encoders", "efficientnet_b0", "--together", "--device", "cuda" if bench.accelerator == "gpu" else "cpu"]
    sizes += ["--images", "64"] if bench.accelerator == "gpu" else ["--images", "2", "--steps", "5", "--rounds", "1"]
    out = ["--out", str(bench.folder / "bench")]
    status, output = bench.finish(bench.start("benchmarks.attribution", *sizes, *out), 180)
    if status == 0:
        return Finding(name, "passed", 0, "the table is below", _tail(output, 25))
    return _failure(name, status, output)


def _failure(name: str, status: int | None, output: str) -> Finding:
    if status is None:
        return Finding(name, "cut short", 0, "time was over", _tail(output))
    return Finding(name, "FAILED", 0, f"exit status {status}", _tail(output, 40))


def _tail(output: str, lines: int = 15) -> str:
    return "\n".join(output.strip().splitlines()[-lines:])


def write(path: Path, findings: Sequence[Finding]) -> None:
    """Writes the report, in Markdown."""
    lines = [
        "# What was seen on this machine",
        "",
        *machine(),
        "",
        "| check | verdict | seconds | figure |",
        "| - | - | - | - |",
    ]
    lines += [f"| {one.check} | {one.verdict} | {one.seconds:.0f} | {one.figure} |" for one in findings]
    for one in findings:
        if one.output:
            lines += ["", f"## {one.check}", "", "```text", one.output, "```"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def machine() -> list[str]:
    """What computed."""
    lines = [f"- {platform.platform()}, Python {platform.python_version()}, PyTorch {torch.__version__}"]
    for index in range(torch.cuda.device_count()):
        found = torch.cuda.get_device_properties(index)
        lines.append(f"- GPU {index}: {found.name}, {found.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}")
    return lines if len(lines) > 1 else [*lines, f"- no GPU; {os.cpu_count()} processor cores"]


if __name__ == "__main__":
    main()
