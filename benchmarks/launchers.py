"""The same sweep one run after another, and in several processes of one thread: what ``hydra/launcher=joblib`` gains.

    python -m benchmarks.launchers                       # benchmarks/results/launchers.md
    python -m benchmarks.launchers --processes 1 2 4 8 16 --seeds 16

Small runs on rendered images, in turn, so that other work on the machine slows all alike. A run after another has all
threads. What is timed ends with the last run; the report that follows is the same for all.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.gpu_check import SMALL

ROOT = Path(__file__).parents[1]
SERIAL = "one after another, all threads"


def main() -> None:
    arguments = parse()
    ways = {SERIAL: None} | {f"joblib, {count} of one thread": count for count in arguments.processes}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory(prefix="launchers-") as folder:
        sweep(Path(folder), "rendered", None, 1)  # renders the images, and is not counted
        for number in range(arguments.rounds):
            for way, processes in ways.items():
                found = sweep(Path(folder), f"round{number}-{processes}", processes, arguments.seeds)
                seconds[way].append(found)
                print(f"round {number + 1} of {arguments.rounds}: {way}: {found:.1f} s", flush=True)
    lines = report(seconds, arguments)
    print(*lines, sep="\n")
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "make bench-launchers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cores = os.cpu_count() or 1
    curve = [count for count in (1, 2, 4, 8, 16, 32, 64) if count <= cores]
    parser.add_argument("--processes", type=int, nargs="+", default=curve, help=f"numbers of them (default {curve})")
    parser.add_argument("--seeds", type=int, default=max(4, cores), help="of the sweep (default 4, or one a core)")
    parser.add_argument("--rounds", type=int, default=3, help="of all ways in turn (default 3)")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "launchers.md", help="the report")
    return parser.parse_args()


def sweep(folder: Path, name: str, processes: int | None, seeds: int) -> float:
    """Seconds from the command to the end of its last run.

    Args:
        folder: Where it works.
        name: Of the sweep.
        processes: Of joblib; None for a run after another.
        seeds: Their number.
    """
    launcher = [] if processes is None else ["hydra/launcher=joblib", f"hydra.launcher.n_jobs={processes}"]
    threads = {} if processes is None else {"OMP_NUM_THREADS": "1"}
    numbers = ",".join(map(str, range(42, 42 + seeds)))
    started = time.time()
    done = subprocess.run(
        [sys.executable, "-m", "xairank.train", f"name={name}", *SMALL, f"seed={numbers}", *launcher, "-m"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **threads},
        capture_output=True,
        text=True,
    )
    runs = list((folder / "multirun" / name).glob("*/run.json"))
    if done.returncode or len(runs) != seeds:
        sys.exit(f"{name}: {len(runs)} of {seeds} runs, exit status {done.returncode}\n{done.stderr[-3000:]}")
    return max(run.stat().st_mtime for run in runs) - started


def report(seconds: dict[str, list[float]], arguments: argparse.Namespace) -> list[str]:
    """The lines of the table: medians, and of each round how many times faster than a run after another."""
    serial = seconds[SERIAL]
    rows = [
        f"| {way} | {median(values):.1f} | {median(s / v for s, v in zip(serial, values, strict=True)):.2f} | "
        f"{', '.join(f'{value:.1f}' for value in values)} |"
        for way, values in seconds.items()
    ]
    return [
        f"{arguments.seeds} seeds, {os.cpu_count()} cores, {platform.processor() or platform.machine()}, "
        f"{time.strftime('%F')}\n",
        "| way | seconds | times as fast | each round |",
        "| --- | ---: | ---: | --- |",
        *rows,
    ]


if __name__ == "__main__":
    main()
