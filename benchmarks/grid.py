"""A grid of 450 runs in several processes, interrupted and resumed: time, memory, disk, and what is lost.

    python -m benchmarks.grid --jobs 16                            # benchmarks/results/grid.md
    python -m benchmarks.grid --jobs 2 --categories 2 --seeds 2    # 12 runs

Three encoders, ten seeds, and fifteen rendered categories in place of those of MVTec AD, all as small as they can be.
The sweep is planned, run with joblib, interrupted by Ctrl-C when a third is done, resumed, put into tables, and run
once more when all is complete. What was complete at the interruption must be the same afterwards. Exit status 1 where
it is not, a process is left behind, or a command ended otherwise than it should; 3 where time was over.
"""

import argparse
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from tests.engines.sessions import left_behind, session
from xairank.data.synthetic import SyntheticCategory, render_category

ROOT = Path(__file__).parents[1]
ENCODERS = ("resnet10t", "test_resnet", "mobilenetv3_small_050")
TINY = (
    *("name=grid", "data.root=data", "data.image_size=32", "data.crop=none", "data.batch_size=8"),
    *("model.pretrained=false", "model.decoder_channels=4", "model.lr=0.001"),
    *("trainer.max_epochs=1", "trainer.accelerator=cpu", "attribution.methods.integrated_gradients.n_steps=2"),
)
PLAN = "import sys; from xairank.experiment.jobs import check_jobs, plan; check_jobs(plan(sys.argv[1:]))"


class Grid:
    """Commands in a folder, until time is over.

    Args:
        folder: Where they work.
        seconds: In all.
    """

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder, self.end = folder, time.monotonic() + seconds
        self.steps, self.wrong = [], []

    def complete(self) -> dict[Path, bytes]:
        """The scores of complete runs."""
        return {path.parent: (path.with_name("scores.parquet")).read_bytes() for path in self.folder.rglob("run.json")}

    def run(self, step: str, *arguments: str, expected: int = 0, until: int | None = None) -> None:
        """Runs a command; with ``until``, Ctrl-C ends it when so many runs are complete.

        Raises:
            TimeoutError: Time is over; the command is ended by Ctrl-C too.
        """
        started, memory, asked = time.monotonic(), 0.0, 0.0
        with (self.folder / "log").open("a+") as log:
            begins = log.seek(0, os.SEEK_END)
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=self.folder,
                env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(self.folder)},
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )
            while process.poll() is None:
                memory = max(memory, sum(map(proportional_memory, session(process.pid))))
                over = time.monotonic() > self.end
                if not asked and (over or (until and len(list(self.folder.rglob("run.json"))) >= until)):
                    os.killpg(process.pid, signal.SIGINT)
                    asked = time.monotonic()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(2)  # looking costs time too
            log.seek(begins)
            output = log.read()
        ended = time.monotonic()
        if asked:
            step += f" ({ended - asked:.1f} s to end)"
        runs = len(self.complete())
        self.steps.append(f"| {step} | {process.returncode} | {ended - started:.1f} | {memory:.0f} | {runs} |")
        if asked and not until:
            raise TimeoutError
        if process.returncode != expected or "Traceback" in output:
            self.wrong.append(f"{step}: status {process.returncode}, expected {expected}:\n{output[-3000:]}")
        if left := left_behind(process.pid):
            self.wrong.append(f"{step}: processes are left: {left}")
            os.killpg(process.pid, signal.SIGKILL)

    def measure(self, jobs: int, sweep: list[str], count: int) -> None:
        """All steps."""
        train = ("-m", "xairank.train", *TINY, *sweep, "hydra/launcher=joblib", f"hydra.launcher.n_jobs={jobs}", "-m")
        self.run("planned", "-c", PLAN, *TINY, *sweep)
        self.run("interrupted", *train, expected=130, until=count // 3)
        before = self.complete()
        self.run("resumed, with report", *train)
        now = self.complete()
        self.wrong += [f"{run}: was complete, and is changed" for run in before if now.get(run) != before[run]]
        self.wrong += [f"{len(now)} of {count} runs are complete"] if len(now) != count else []
        self.run("tables", "-m", "xairank.tables", "name=grid")
        self.run("once more, with report", *train)


def proportional_memory(process: int) -> float:
    """Megabytes of a process; what several share counts once in all."""
    with suppress(OSError):
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
    return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at once (default one a core)")
    parser.add_argument("--categories", type=int, default=15)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=450.0, help="after which it ends with what was done")
    parser.add_argument("--report", type=Path, default=ROOT / "benchmarks" / "results" / "grid.md")
    options = parser.parse_args()
    names = [f"category{number:02}" for number in range(options.categories)]
    seeds = map(str, range(42, 42 + options.seeds))
    sweep = [f"data.category={','.join(names)}", f"model.encoder={','.join(ENCODERS)}", f"seed={','.join(seeds)}"]
    with tempfile.TemporaryDirectory(prefix="grid-") as place:
        folder, status = Path(place), 0
        for seed, name in enumerate(names):
            category = SyntheticCategory(good=12, defects={"crack": 8, "hole": 8}, image_size=32, seed=seed)
            render_category(folder / "data" / name, category, workers=1)
        grid = Grid(folder, options.seconds)
        try:
            grid.measure(options.jobs, sweep, len(names) * len(ENCODERS) * options.seeds)
        except TimeoutError:
            status = 3
        disk = {part: size(folder / part) for part in ("multirun", "multirun/grid/report", "xairank")}
    lines = [
        f"Grid on {platform.node()}, {os.cpu_count()} cores, {options.jobs} processes, {time.strftime('%F %T')}\n",
        "| step | exit status | seconds | memory, MB | complete runs |",
        "| --- | --- | --- | --- | --- |",
        *grid.steps,
        "",
        *(f"{part}: {megabytes:.1f} MB" for part, megabytes in disk.items()),
        "time was over" if status else "all steps were done",
        f"{len(grid.wrong)} wrong",
        *grid.wrong,
    ]
    print(*lines, sep="\n")
    options.report.parent.mkdir(exist_ok=True)
    options.report.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.exit(1 if grid.wrong else status)


def size(folder: Path) -> float:
    """Megabytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20


if __name__ == "__main__":
    main()
