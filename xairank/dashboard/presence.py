"""Whether somebody still looks at a page."""

from collections.abc import Callable

from bokeh.document import Document

GRACE = 2_000  # milliseconds without a connection; less is a network that stumbles


class Places:
    """Room for so many people at a time.

    Args:
        most: How many.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._taken: list[Callable[[], bool]] = []

    def take(self, is_there: Callable[[], bool]) -> bool:
        """Takes a place until somebody is not there any more; whether there was one."""
        self._taken = [one for one in self._taken if one()]
        if len(self._taken) >= self.most:
            return False
        self._taken.append(is_there)
        return True


def presence_of(document: Document | None) -> Callable[[], bool]:
    """What tells whether the browser of a page is there.

    The server itself forgets a page half a minute after its browser was closed, which is long to compute for nobody.
    """

    def is_there() -> bool:
        context = document.session_context if document else None
        session = context.session if context else None  # type: ignore[attr-defined]
        if session is None or session.destroyed:
            return False
        return bool(session.connection_count or session.milliseconds_since_last_unsubscribe < GRACE)

    return is_there
