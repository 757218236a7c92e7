"""Attempts: the processes of a sweep, started, killed, and waited for."""

import importlib
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.training import QUICK

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
SWEEP, SINGLE = ("seed=1,2,3", "-m"), ("seed=1",)
WORK = {
    "train": (*QUICK, "trainer.max_epochs=3", "attribution.batch_limit=4"),
    "rank": (
        *("name=test", "data.root=data", "data.category=nuts", "data.image_size=48", "device=cpu"),
        *("model=python", "model.factory=torture_network:build", "attribution.batch_limit=4"),
        "attribution.methods.integrated_gradients.n_steps=4",
    ),
}
_commands: list[subprocess.Popen[bytes]] = []  # kept, as their processes are waited for by number


def prepare() -> None:
    """Imports what attempts need, before they are forked, and leaves out what takes long to draw."""
    for name in ("train", "rank", "experiment.run", "experiment.ranked", "experiment.preflight", "experiment.summary"):
        importlib.import_module(f"xairank.{name}")
    ending = importlib.import_module("xairank.report.ending")
    ending.write_report = lambda sweep, results, place, *others: place / "index.html"
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell ignores in its background


def start(
    folder: Path, work: str, arguments: tuple[str, ...], *, real: bool, before: Callable[[], None] = lambda: None
) -> int:
    """The process of an attempt, a forked one or a real command; what it prints is added to ``log`` in its folder."""
    if real:
        with (folder / "log").open("ab") as log:
            command = [sys.executable, "-m", f"xairank.{work}", *WORK[work], *arguments]
            paths = [str(Path(__file__).parents[2]), str(folder), os.environ.get("PYTHONPATH")]
            environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
            _commands.append(subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log))
        return _commands[-1].pid
    return os.fork() or _run(folder, work, arguments, before)


def _run(folder: Path, work: str, arguments: tuple[str, ...], before: Callable[[], None]) -> int:
    """An attempt, in a forked process, which ends with it."""
    status = 1
    try:
        os.chdir(folder)
        log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.argv = ["xairank", *WORK[work], *arguments]
        sys.path.insert(0, str(folder))
        before()
        importlib.import_module(f"xairank.{work}").main()
        status = 0
    except SystemExit as exit_:
        status = int(exit_.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def wait(child: int) -> tuple[int, float]:
    """Exit status, negative for a signal, and processor seconds."""
    _, status, used = os.wait4(child, 0)
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime


def processor_time(child: int) -> float | None:
    """Processor seconds of a child; None where it has ended."""
    fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    return None if fields[0] == "Z" else (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def kill_after(child: int, number: signal.Signals, seconds: float) -> tuple[int, float | None]:
    """Sends a signal after so much processor time.

    Returns:
        The exit status, and the seconds from the signal to the end; None where the process had ended by itself.
    """
    while (spent := processor_time(child)) is not None and spent < seconds:
        time.sleep(0.01)
    if spent is None:
        return wait(child)[0], None
    os.kill(child, number)
    sent = time.monotonic()
    ended = wait(child)[0]
    return ended, time.monotonic() - sent if ended else None  # it may just have ended
