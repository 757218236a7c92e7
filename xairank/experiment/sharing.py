"""Several devices explain the samples of one run, each in a process of its own."""

import os
import queue
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import multiprocessing
from torch.multiprocessing import ProcessRaisedException

from xairank.errors import UserError

T = TypeVar("T")


class Share(NamedTuple):
    """Which of the parts of a work are one process's: every ``of``-th, from the ``number``-th on.

    Attributes:
        number: Of the process, from 0.
        of: How many processes there are.
        device: Where it computes.
    """

    number: int
    of: int
    device: torch.device

    def has(self, part: int) -> bool:
        """Whether a part is this process's, by its place in the order of all parts."""
        return part % self.of == self.number


def shared_out(
    work: Callable[[Share, Callable[[int], None]], T], devices: Sequence[torch.device], advance: Callable[[int], None]
) -> list[T]:
    """What a work returns on each of the devices; on a single one it runs in this process.

    Args:
        work: Takes its share, and a function to report progress to. For several devices it must be picklable, as what
            it returns: it runs in a new process, on its part of this one's threads.
        devices: Where to work; the same device may be there several times.
        advance: Takes the progress of all.

    Raises:
        UserError: Raised by the work on any device, as are OSError and MemoryError; the others are stopped.
    """
    if len(devices) == 1:
        return [work(Share(0, 1, devices[0]), advance)]
    context = multiprocessing.get_context("spawn")
    messages = context.Queue()
    threads = max(1, torch.get_num_threads() // len(devices))
    shares = [Share(number, len(devices), device) for number, device in enumerate(devices)]
    processes = multiprocessing.start_processes(
        _process, (work, shares, threads, messages), nprocs=len(devices), join=False, start_method="spawn"
    )
    assert processes is not None
    results: dict[int, T] = {}
    try:
        while len(results) < len(devices):
            try:
                number, result = messages.get(timeout=0.2)
            except queue.Empty:
                processes.join(timeout=0)  # raises what a process raised
                continue
            if number is None:
                advance(result)
            else:
                results[number] = result
        while not processes.join():
            pass
    except ProcessRaisedException as error:
        raise cause_in_process(error) from None
    finally:
        for process in processes.processes:
            if process.is_alive():
                process.kill()
    return [results[number] for number in range(len(devices))]


def cause_in_process(error: ProcessRaisedException) -> Exception:
    """The user's mistake, the refusal of the system or the lack of memory that ended a process, or the error as it is.

    Only the text of an error comes from another process.
    """
    text = str(error).rstrip()
    last = text.rpartition("\n")[2]
    if found := re.findall(r"^(?:xairank\.errors\.)?UserError: (.*)$", text, re.MULTILINE):
        return UserError(found[-1])
    if refused := re.fullmatch(
        r"\w+: \[Errno (\d+)\] .*: (['\"])(.*?)\2(?: -> None)?", last
    ):  # no space, no permission
        number = int(refused[1])
        return OSError(number, os.strerror(number), refused[3])
    if re.match(r"(torch\.)?OutOfMemoryError\b|MemoryError\b", last):
        return MemoryError(last)
    return error


def _process(number: int, work: Callable[..., Any], shares: Sequence[Share], threads: int, messages: Any) -> None:  # noqa: ANN401
    torch.set_num_threads(threads)
    share = shares[number]
    if share.device.type == "cuda":
        torch.cuda.set_device(share.device)
    messages.put((number, work(share, lambda samples: messages.put((None, samples)))))
