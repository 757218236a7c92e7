"""Whose turn it is: the engine that explains serves one person after the other, in the order in which they asked."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Stopped(BaseException):
    """A person stopped what was asked for; no error, so that nobody on the way takes it for one."""


class Ticket:
    """A place in the queue, for one explanation.

    Attributes:
        stopped: Set where the person wants it no more; also read by the thread that explains.
        work: What a thread computes for it; a turn lasts until that is done, even where nobody waits for it any more.
    """

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self.work: asyncio.Future | None = None

    def check(self) -> None:
        """Ends what is being done where it is wanted no more.

        Raises:
            Stopped: It is not.
        """
        if self.stopped.is_set():
            raise Stopped


class Turns:
    """The queue before the engine; used from one event loop."""

    def __init__(self) -> None:
        self._queue: list[Ticket] = []
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def turn(self, ticket: Ticket, tell: Callable[[int], None]) -> AsyncIterator[None]:
        """Waits until it is the ticket's turn, which lasts as long as the block and the ticket's work.

        Args:
            ticket: A new one.
            tell: Is told how many are before it, whenever that changes.

        Raises:
            Stopped: The ticket was stopped before its turn came.
        """
        self._queue.append(ticket)
        try:
            while self._queue[0] is not ticket:
                tell(self._queue.index(ticket))
                await self._changed.wait()
                ticket.check()
            ticket.check()
            yield
        finally:
            if ticket.work is None or ticket.work.done():
                self._leave(ticket)
            else:
                ticket.work.add_done_callback(lambda work: self._leave(ticket))

    def stop(self, ticket: Ticket) -> None:
        """Takes a ticket out of the queue, or ends its explanation after the batch that is being computed."""
        ticket.stopped.set()
        self._wake()

    def _leave(self, ticket: Ticket) -> None:
        if ticket.work and not ticket.work.cancelled():
            ticket.work.exception()  # is known: nobody waits for it any more
        self._queue.remove(ticket)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
