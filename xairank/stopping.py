"""What asks a command to end, Ctrl-C and the signals of schedulers, becomes one exception, and its end is sure.

Everything that is written is whole or not there, so that a command may end at any moment and is resumed by running it
again. What matters is that it does end: in a sweep, no further run is started.
"""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

GRACE = 4.0  # seconds from the signal to the end, whatever computes
# A scheduler that takes a machine back sends SIGTERM; before a time limit, Slurm sends what the job asks for.
_SIGNALS = {getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)}


class StoppedError(KeyboardInterrupt):
    """A signal asked this process to end; like Ctrl-C, it is no exception that code handles by the way.

    Attributes:
        signal: Which one.
    """

    def __init__(self, number: int) -> None:
        self.signal = signal.Signals(number)
        super().__init__(self.signal.name)

    @property
    def status(self) -> int:
        """The exit status, as a shell reports a process that a signal ended: 130, 143."""
        return 128 + self.signal

    def line(self, then: str = "run the same command again to resume") -> str:
        """What the user reads: what stopped the command, and what to do."""
        by = "" if self.signal == signal.SIGINT else f" by {self.signal.name}"
        return f"xairank: stopped{by}; {then}"


def stopped(error: KeyboardInterrupt) -> StoppedError:
    """An interruption with its signal; Python's own is Ctrl-C."""
    return error if isinstance(error, StoppedError) else StoppedError(signal.SIGINT)


def interruption(error: BaseException | None) -> StoppedError | None:
    """The interruption that an error is, or that another error came of; None of any other.

    Code that cleans up after an interruption may fail at it, half done as all is: PyTorch closes a file that it was
    writing, and complains of its length.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, KeyboardInterrupt):
            return stopped(error)
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def stoppable() -> Iterator[None]:
    """Raises :class:`StoppedError` at the first signal that asks to end; later ones change nothing.

    The exception waits for what computes outside Python, and where code that Python calls by itself is interrupted, as
    ``__del__``, it is lost: after ``GRACE`` seconds the process ends all the same. Signals that somebody else handles
    or ignores stay theirs: submitit queues its job again, ``nohup`` lets nothing through. Outside the main thread,
    where Python takes no signals, nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    ours = {number for number, found in before.items() if found in (signal.SIG_DFL, signal.default_int_handler)}
    ended, asked = threading.Event(), threading.Event()
    receiver, sender = socket.socketpair()
    sender.setblocking(False)

    def stop(number: int, _: FrameType | None) -> None:
        if not asked.is_set():
            asked.set()
            raise StoppedError(number)

    def leave() -> None:
        for number in ours:
            signal.signal(number, before[number])
        signal.set_wakeup_fd(waker)

    owner = os.getpid()
    for number in ours:
        signal.signal(number, stop)
    waker = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    _in_child[:] = [leave]
    threading.Thread(target=_watch, args=(receiver, ours, ended), name="stopping", daemon=True).start()
    try:
        yield
    finally:
        if os.getpid() == owner:  # else a child left already
            leave()
            _in_child.clear()
        ended.set()
        sender.close()


def _watch(receiver: socket.socket, ours: set[int], ended: threading.Event) -> None:
    """Waits for a signal, which the system notes here at once, and ends what does not end by itself."""
    with receiver:
        while number := receiver.recv(1):
            if number[0] in ours and not ended.wait(GRACE):
                error = StoppedError(number[0])
                with suppress(OSError):
                    os.write(2, f"{error.line()}\n".encode())  # past what Python may hold
                os._exit(error.status)


_in_child: list = []  # what a forked process does first: it is not the command, and takes its signals as they come


def _leave_in_child() -> None:
    for leave in _in_child:
        leave()
    _in_child.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_in_child)
