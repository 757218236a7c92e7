"""Kills sweeps of training and of ranking at random moments, starts pairs of processes at once, and fills the disk.

``make torture``, or ``python -m tests.torture --kills 20 --pairs 4``. Verifies after each attempt that nothing that was
finished is gone, and when a sweep has ended that its results are those of an undisturbed one, byte for byte, and that
nothing else lies in its folder. Writes a report; exit status 1 where anything was lost, changed or left over.

Starting Python and importing PyTorch costs more than such a sweep: this process imports everything once, and forks a
child for each attempt; ``--commands`` runs some as real command lines. Moments are counted in the child's processor
time, so that they do not depend on what else runs.
"""

import argparse
import errno
import importlib
import os
import platform
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.conftest import write_category
from tests.training import QUICK

SIGNALS = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}
BUSY = "is writing it"
COMPARED = ("scores.parquet", "excluded.csv", "metrics.csv", "maps.npz")
NETWORK = """
import torch
from torch import nn

def build():
    net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(2, 3))
    net[0].weight.data = torch.tensor([10 / 3, -10 / 3]).view(2, 1, 1, 1).expand(2, 3, 1, 1).clone()
    net[0].bias.data = torch.tensor([-8.0, 2.0])
    net[4].weight.data = torch.tensor([[9.0, 0.0], [0.0, 0.0], [0.0, 9.0]])
    net[4].bias.data = torch.tensor([0.0, 1.0, 0.0])
    return net
"""
SEEDS, ONE = ("seed=1,2,3", "-m"), ("seed=1", "-m")
WORK = {
    "train": (*QUICK, "trainer.max_epochs=3", "attribution.batch_limit=4"),
    "rank": (
        *("name=test", "data.root=data", "data.category=nuts", "data.image_size=48", "device=cpu"),
        *("model=python", "model.factory=torture_network:build", "attribution.batch_limit=4"),
        "attribution.methods.integrated_gradients.n_steps=4",
    ),
}


class Found(NamedTuple):
    """What is in the folder of a sweep: the content of each file by its name."""

    files: dict[str, bytes]

    @property
    def finished(self) -> dict[str, bytes]:
        """Results of complete runs, which no kill may take or change."""
        done = {name.rpartition("/")[0] for name in self.files if name.endswith("/run.json")}
        return {name: content for name, content in self.files.items() if is_result(name) and place(name) in done}

    @property
    def epochs(self) -> dict[str, int]:
        """Epochs that are trained, by run."""
        tables = {place(name): content for name, content in self.files.items() if name.endswith("metrics.csv")}
        return {name: content.count(b"\n") - 1 for name, content in tables.items()}


def place(name: str) -> str:
    return name.partition("/")[0]


def is_result(name: str) -> bool:
    return name.rpartition("/")[2] in COMPARED


def look(folder: Path) -> Found:
    sweep = folder / "multirun" / "test"
    files = (path for path in sweep.rglob("*") if path.is_file())
    return Found({path.relative_to(sweep).as_posix(): path.read_bytes() for path in files})


class Torture:
    """Attempts in forked children, and what was found wrong."""

    def __init__(self, base: Path, random_state: int, *, real: bool = False) -> None:
        self.base, self.chance, self.real = base, random.Random(random_state), real
        self.wrong: list[str] = []
        self.ends: Counter[str] = Counter()
        self.slowest = 0.0
        self.children: list[subprocess.Popen[bytes]] = []
        (base / "torture_network.py").write_text(NETWORK)
        write_category(base / "data" / "nuts", good=20, defects=10)
        self.reference = {work: self.undisturbed(work) for work in WORK}

    @property
    def first(self) -> float:
        """Processor seconds until a process is a command that takes signals: Python and its imports come before."""
        return 1.0 if self.real else 0.05

    def folder(self, name: str) -> Path:
        path = self.base / name
        path.mkdir()
        (path / "data").symlink_to(self.base / "data")
        return path

    def start(
        self, folder: Path, work: str, arguments: tuple[str, ...], before: Callable[[], None] | None = None
    ) -> int:
        """The process of an attempt; what it prints is added to ``log`` in the folder."""
        if self.real:
            with (folder / "log").open("ab") as log:
                command = [sys.executable, "-m", f"xairank.{work}", *WORK[work], *arguments]
                paths = [str(Path(__file__).parents[1]), str(self.base), os.environ.get("PYTHONPATH")]
                environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
                self.children.append(subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log))
            return self.children[-1].pid
        child = os.fork()
        if child:
            return child
        status = 1
        try:
            os.chdir(folder)
            log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            sys.argv = ["xairank", *WORK[work], *arguments]
            sys.path.insert(0, str(self.base))
            if before:
                before()
            importlib.import_module(f"xairank.{work}").main()
            status = 0
        except SystemExit as exit_:
            status = int(exit_.code or 0)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def undisturbed(self, work: str) -> tuple[Found, float]:
        folder = self.folder(f"reference_{work}")
        ended, seconds = wait(self.start(folder, work, SEEDS))
        found = look(folder)
        if ended or not any(name.endswith("scores.parquet") for name in found.files):
            sys.exit(f"the undisturbed sweep failed:\n{(folder / 'log').read_text()}")
        return found, seconds

    def kill_until(self, kills: int, work: str, name: str) -> int:
        """Kills one sweep at most ``kills`` times, lets it end, and compares it; the number of kills."""
        folder, done = self.folder(name), 0
        expected, seconds = self.reference[work]
        before = look(folder)
        while done < kills:
            number = self.chance.choice(list(SIGNALS))
            child = self.start(folder, work, SEEDS)
            moment = self.first + self.chance.uniform(0, (seconds - self.first) / 2)
            ended, was_killed = self.kill_after(child, number, moment)
            now = look(folder)
            self.check_kept(name, before, now)
            before = now
            if not was_killed:
                self.expect(name, folder, ended, {0})
                break
            done += 1
            self.expect(name, folder, ended, {SIGNALS[number]})
            self.ends[f"{work} {number.name}"] += 1
        if done == kills:
            self.expect(name, folder, wait(self.start(folder, work, SEEDS))[0], {0})
        self.compare(name, folder, expected)
        return done

    def kill_after(self, child: int, number: signal.Signals, seconds: float) -> tuple[int, bool]:
        """Sends a signal after so much processor time; the exit status, and whether it was in time."""
        while (spent := processor_time(child)) is not None and spent < seconds:
            time.sleep(0.01)
        if spent is None:
            return wait(child)[0], False
        os.kill(child, number)
        sent = time.monotonic()
        ended = wait(child)[0]
        self.slowest = max(self.slowest, time.monotonic() - sent)
        return ended, ended != 0  # it may just have ended

    def pair(self, work: str, name: str) -> None:
        """Two processes at once: one of them at least finishes, the other finishes too or says who is at work."""
        folder, arguments = self.folder(name), self.chance.choice([SEEDS, ONE])
        children = [self.start(folder, work, arguments) for _ in range(2)]
        ended = [wait(child)[0] for child in children]
        for one in ended:
            self.expect(name, folder, one, {0, 2})
        log = (folder / "log").read_text()
        if 2 in ended and BUSY not in log:
            self.wrong.append(f"{name}: status 2 without a word of the other process:\n{log}")
        self.ends[f"{work} pairs, {ended.count(0)} of 2 to the end"] += 1
        self.expect(name, folder, wait(self.start(folder, work, arguments))[0], {0})
        only = "seed=1" if arguments == ONE else ""
        files = {key: value for key, value in self.reference[work][0].files.items() if place(key).endswith(only)}
        self.compare(name, folder, Found(files))

    def full_disk(self, work: str, name: str) -> None:
        """A disk that is full at each file in turn: a line that names it, and the next attempt goes on."""
        folder, failed = self.folder(name), self.base / f"{name}_failed"
        failed.touch()

        def fill() -> None:
            from xairank import files

            original = files._to_disk

            def to_disk(path: Path) -> None:
                file = re.sub(r"\.[0-9a-f]{8}-\d+\.part", "", path.name)
                if path.is_file() and file not in failed.read_text().split():
                    failed.write_text(f"{failed.read_text()} {file}")
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                original(path)

            files._to_disk = to_disk

        before = look(folder)
        while (ended := wait(self.start(folder, work, ONE, fill))[0]) == 2:
            now, log = look(folder), (folder / "log").read_text()
            self.check_kept(name, before, now)
            before = now
            self.ends[f"{work} disk full"] += 1
            if "No space left on device" not in log or "Traceback" in log:
                self.wrong.append(f"{name}: without a word of the disk:\n{log[-2000:]}")
                return
        self.expect(name, folder, ended, {0})
        files = {key: one for key, one in self.reference[work][0].files.items() if place(key).endswith("seed=1")}
        self.compare(name, folder, Found(files))

    def check_kept(self, name: str, before: Found, now: Found) -> None:
        for file, content in before.finished.items():
            if now.files.get(file) != content:
                self.wrong.append(f"{name}: {file} of a complete run is gone or another one")
        for run, epochs in before.epochs.items():
            if now.epochs.get(run, 0) < epochs:
                self.wrong.append(f"{name}: {run} had {epochs} epochs and has {now.epochs.get(run, 0)}")

    def expect(self, name: str, folder: Path, ended: int, statuses: set[int]) -> None:
        log = (folder / "log").read_text() if (folder / "log").exists() else ""
        if ended not in statuses or "Traceback" in log:
            self.wrong.append(f"{name}: status {ended}, expected {statuses}:\n{log[-2000:]}")

    def compare(self, name: str, folder: Path, expected: Found) -> None:
        found = look(folder).files
        self.wrong += [f"{name}: left over: {file}" for file in sorted(found.keys() - expected.files.keys())]
        self.wrong += [f"{name}: missing: {file}" for file in sorted(expected.files.keys() - found.keys())]
        same = (file for file in expected.files if is_result(file) and file in found)
        self.wrong += [f"{name}: differs: {file}" for file in same if found[file] != expected.files[file]]


def wait(child: int) -> tuple[int, float]:
    """Exit status, negative for a signal, and processor seconds."""
    _, status, used = os.wait4(child, 0)
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime


def processor_time(child: int) -> float | None:
    """Processor seconds of a child; None where it has ended."""
    fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    return None if fields[0] == "Z" else (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="of forked sweeps (default 200)")
    parser.add_argument("--pairs", type=int, default=50, help="of processes started at once (default 50)")
    parser.add_argument("--commands", type=int, default=20, help="kills of real command lines (default 20)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop early after so long")
    parser.add_argument("--random-state", type=int, default=0, help="of the moments (default 0)")
    parser.add_argument("--report", type=Path, default=Path("torture.txt"), help="file of the report")
    options = parser.parse_args()
    for name in ("train", "rank", "experiment.run", "experiment.ranked", "experiment.preflight", "experiment.summary"):
        importlib.import_module(f"xairank.{name}")
    ending = importlib.import_module("xairank.report.ending")
    ending.report_sweep = lambda folder: None  # minutes of drawing, and no results
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell ignores in its background
    started, lines, wrong = time.monotonic(), [f"Torture of xairank on {platform.node()}, {time.strftime('%F %T')}"], []
    with tempfile.TemporaryDirectory(prefix="torture-") as base:
        for real, kills in ((False, options.kills), (True, options.commands)):
            if not kills:
                continue
            place = Path(base) / ("commands" if real else "forked")
            place.mkdir()
            torture = Torture(place, options.random_state, real=real)
            done = inflict(
                torture, kills, 0 if real else options.pairs, lambda: time.monotonic() - started < options.seconds
            )
            lines += [f"{'Real commands' if real else 'Forked processes'}: {done}"]
            lines += [f"  {count:4d} {what}" for what, count in sorted(torture.ends.items())]
            lines += [f"  {torture.slowest:.1f} s from a signal to the end of the process at most"]
            wrong += torture.wrong
    lines += [f"{len(wrong)} results lost, changed or left over, or processes that ended otherwise", *wrong]
    lines += [f"{time.monotonic() - started:.0f} s"]
    print(*lines, sep="\n")
    options.report.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.exit(1 if wrong else 0)


def inflict(torture: Torture, kills: int, pairs: int, has_time: Callable[[], bool]) -> str:
    """Kills, pairs and full disks, in turn; says how many there were."""
    killed, paired, sweeps = 0, 0, 0
    while (killed < kills or paired < pairs) and has_time():
        for work in WORK:
            if killed < kills:
                killed += torture.kill_until(min(kills - killed, 12), work, f"{work}_{sweeps}")
            for _ in range(3 if killed < kills else pairs):
                if paired < pairs and has_time():
                    paired += 1
                    torture.pair(work, f"{work}_pair_{paired}")
            sweeps += 1
        if not torture.real and sweeps == len(WORK):
            for work in WORK:
                torture.full_disk(work, f"{work}_full")
        for path in torture.base.glob("*_*/multirun"):
            if not path.parent.name.startswith("reference"):
                shutil.rmtree(path)
    return f"{killed} kills in {sweeps} sweeps of three seeds, {paired} pairs"


if __name__ == "__main__":
    main()
