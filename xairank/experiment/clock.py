"""How long the phases of a run take."""

import time


class Clock:
    """Seconds of each phase, which ``run.json`` holds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.start()

    def start(self) -> None:
        """Begins a phase."""
        self._started = time.perf_counter()

    def stop(self, phase: str) -> None:
        """Ends a phase; the next begins."""
        self.seconds[phase] = time.perf_counter() - self._started
        self.start()
