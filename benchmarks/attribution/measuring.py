"""Seconds of a call, and peak memory of another: on a CPU, who watches the memory takes time from who works."""

import ctypes
import gc
import platform
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

PAGE_MIB = 4096 / 2**20
INTERVAL = 0.002  # seconds between looks at the memory


def measure_seconds(work: Callable[[], Any], device: torch.device) -> float:
    """Seconds from a process without freed memory at hand to the result."""
    _give_back()
    _finish(device)
    started = time.perf_counter()
    work()
    _finish(device)
    return time.perf_counter() - started


def measure_memory(work: Callable[[], Any], device: torch.device) -> float:
    """The most memory in MiB on top of what was there before (on a GPU: its own, else the process's)."""
    _give_back()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    with _PeakMemory() as peak:
        work()
    return peak.mebibytes


def processor() -> str:
    """The name of the machine's processor."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


class _PeakMemory:
    """Looks at the process's resident memory all the time, in a thread."""

    def __enter__(self) -> "_PeakMemory":
        self._first = self._most = _resident()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.mebibytes = self._most - self._first

    def _watch(self) -> None:
        while not self._stop.wait(INTERVAL):
            self._most = max(self._most, _resident())


def _resident() -> float:
    statistics = Path("/proc/self/statm")
    return int(statistics.read_text().split()[1]) * PAGE_MIB if statistics.exists() else 0.0


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _give_back() -> None:
    """Freed memory goes back to the system, so that nobody starts with another's pages."""
    gc.collect()
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "malloc_trim"):
            libc.malloc_trim(0)
