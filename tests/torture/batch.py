"""A batch of attempts in a folder of its own, and what was found wrong."""

import errno
import os
import random
import re
import shutil
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import write_category
from tests.torture.attempts import NETWORK, SINGLE, SWEEP, kill_after, start, wait
from tests.torture.found import Found, differences, look, lost

SIGNALS = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}
MOST = 12  # kills of one sweep


@dataclass
class Account:
    """What batches did and found."""

    kills: int = 0
    sweeps: int = 0
    pairs: int = 0
    slowest: float = 0.0
    ends: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def __add__(self, other: "Account") -> "Account":
        return Account(
            self.kills + other.kills,
            self.sweeps + other.sweeps,
            self.pairs + other.pairs,
            max(self.slowest, other.slowest),
            self.ends + other.ends,
            self.wrong + other.wrong,
        )

    def lines(self) -> list[str]:
        return [
            f"{self.kills} kills in {self.sweeps} sweeps of three seeds, {self.pairs} pairs",
            *(f"  {count:4d} {what}" for what, count in sorted(self.ends.items())),
            f"  {self.slowest:.1f} s from a signal to the end of the process at most",
        ]


@dataclass(frozen=True)
class Batch:
    """How much a batch does, and where.

    Attributes:
        base: Its folder, with the data and the undisturbed sweeps.
        number: Of the batch.
        random_state: Of its moments.
        work: What is disturbed, training or ranking.
        kills: How many at least.
        pairs: How many.
        full_disks: Kinds of work that meet a full disk.
        real: Whether the attempts are real commands.
        end: When it starts nothing more, by the monotonic clock.
    """

    base: Path
    number: int
    random_state: int
    work: tuple[str, ...]
    kills: int
    pairs: int = 0
    full_disks: tuple[str, ...] = ()
    real: bool = False
    end: float = float("inf")


def undisturbed(base: Path, work: str, *, real: bool) -> tuple[Found, float]:
    """What a sweep leaves that nothing disturbs, and its processor seconds."""
    folder = make_folder(base, f"undisturbed_{work}")
    ended, seconds = wait(start(folder, work, SWEEP, real=real))
    found = look(folder)
    if ended or not any(name.endswith("scores.parquet") for name in found.files):
        sys.exit(f"the undisturbed sweep failed:\n{(folder / 'log').read_text()}")
    return found, seconds


def make_folder(base: Path, name: str) -> Path:
    """A working folder of sweeps that share the data of ``base``."""
    if not (base / "data").is_dir():
        write_category(base / "data" / "nuts", good=20, defects=10)
    path = base / name
    path.mkdir()
    (path / "data").symlink_to(base / "data")
    (path / "torture_network.py").write_text(NETWORK)
    return path


class Torture:
    """Carries out a batch.

    Args:
        batch: What to do.
        expected: What undisturbed sweeps leave, and their processor seconds, by the kind of work.
    """

    def __init__(self, batch: Batch, expected: dict[str, tuple[Found, float]]) -> None:
        self.batch, self.expected = batch, expected
        self.chance = random.Random(f"{batch.random_state} {batch.number} {batch.real}")
        self.account = Account()

    def inflict(self) -> Account:
        """Kills, pairs and full disks, in turn."""
        batch, done = self.batch, self.account
        first = batch.number % len(batch.work)
        while (done.kills < batch.kills or done.pairs < batch.pairs) and time.monotonic() < batch.end:
            for work in batch.work[first:] + batch.work[:first]:
                if done.kills < batch.kills:
                    self.kill_until(min(batch.kills - done.kills, MOST), work)
                for _ in range(3 if done.kills < batch.kills else batch.pairs):
                    if done.pairs < batch.pairs and time.monotonic() < batch.end:
                        self.pair(work)
        for work in batch.full_disks:
            if time.monotonic() < batch.end:
                self.full_disk(work)
        return done

    def start(self, folder: Path, work: str, arguments: tuple[str, ...]) -> int:
        return start(folder, work, arguments, real=self.batch.real)

    def folder(self, name: str) -> Path:
        return make_folder(self.batch.base, f"{self.batch.number}_{name}")

    def kill_until(self, kills: int, work: str) -> None:
        """Kills one sweep at most ``kills`` times, lets it end, and compares it."""
        self.account.sweeps += 1
        folder, killed = self.folder(f"{work}_{self.account.sweeps}"), 0
        seconds = self.expected[work][1]
        first = 1.0 if self.batch.real else 0.05  # until it is a command that takes signals: Python and its imports
        before, ended = look(folder), -1
        while killed < kills and ended:
            number = self.chance.choice(list(SIGNALS))
            moment = first + self.chance.uniform(0, (seconds - first) / 2)
            ended, took = kill_after(self.start(folder, work, SWEEP), number, moment)
            now = look(folder)
            self.blame(folder, *lost(before, now))
            before = now
            self.expect(folder, ended, SIGNALS[number] if took is not None else 0)
            if took is not None:
                killed += 1
                self.account.slowest = max(self.account.slowest, took)
                self.account.ends[f"{work} {number.name}"] += 1
        self.account.kills += killed
        self.end(folder, work, SWEEP, self.expected[work][0])

    def pair(self, work: str) -> None:
        """Two processes at once: one of them at least finishes, the other finishes too or says who is at work."""
        self.account.pairs += 1
        folder, arguments = self.folder(f"{work}_pair_{self.account.pairs}"), self.chance.choice([SWEEP, SINGLE])
        children = [self.start(folder, work, arguments) for _ in range(2)]
        ended = [wait(child)[0] for child in children]
        for one in ended:
            self.expect(folder, one, 0, 2)
        log = (folder / "log").read_text()
        if 2 in ended and "is writing it" not in log:
            self.blame(folder, f"status 2 without a word of the other process:\n{log}")
        self.account.ends[f"{work} pairs, {ended.count(0)} of 2 to the end"] += 1
        expected = self.expected[work][0]
        self.end(folder, work, arguments, expected.only("seed=1") if arguments == SINGLE else expected)

    def full_disk(self, work: str) -> None:
        """A disk that is full at each file in turn: a line that names it, and the next attempt goes on."""
        folder = self.folder(f"{work}_full")
        failed = folder / "failed"
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
        while (ended := wait(start(folder, work, SINGLE, real=False, before=fill))[0]) == 2:
            now, log = look(folder), (folder / "log").read_text()
            self.blame(folder, *lost(before, now))
            before = now
            self.account.ends[f"{work} disk full"] += 1
            if "No space left on device" not in log or "Traceback" in log:
                self.blame(folder, f"without a word of the disk:\n{log[-2000:]}")
                return
        self.expect(folder, ended, 0)
        self.end(folder, work, SINGLE, self.expected[work][0].only("seed=1"))

    def end(self, folder: Path, work: str, arguments: tuple[str, ...], expected: Found) -> None:
        """Lets a sweep end, compares it with an undisturbed one, and takes it away."""
        self.expect(folder, wait(self.start(folder, work, arguments))[0], 0)
        self.blame(folder, *differences(look(folder), expected))
        shutil.rmtree(folder)

    def expect(self, folder: Path, ended: int, *statuses: int) -> None:
        log = (folder / "log").read_text() if (folder / "log").exists() else ""
        if ended not in statuses or "Traceback" in log:
            self.blame(folder, f"status {ended}, expected {statuses}:\n{log[-2000:]}")
            (folder / "log").write_text("")  # said once

    def blame(self, folder: Path, *wrong: str) -> None:
        self.account.wrong += [f"{folder.name}: {one}" for one in wrong]
