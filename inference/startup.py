"""Where the start of this process spent its time, which a client cannot see from outside.

One per process. Shown in `/model-info`; costs one clock reading per phase.
"""

from time import monotonic_ns

from inference.instance import process_start_ns

PHASES = ("imports", "runtime", "model", "server")
"""imports: from the start of the process to the beginning of loading; runtime: importing what runs the model; model:
verifying, loading and testing it; server: what the framework still needs before it may listen."""


class Startup:
    """The durations of the phases in ms, in order. None is unknown; a missing phase is not over."""

    def __init__(self) -> None:
        self.phases_ms: dict[str, float | None] = {}
        self._last_ns = 0

    def begin(self) -> None:
        """Loading begins: everything before is `imports`, good to a clock tick (10 ms) where the system tells it."""
        started_ns = process_start_ns()
        self._last_ns = monotonic_ns()
        self.phases_ms.clear()
        self.phases_ms["imports"] = None if started_ns is None else (self._last_ns - started_ns) / 1e6

    def end(self, phase: str) -> None:
        """`phase` is over; it began where the one before it ended."""
        now_ns = monotonic_ns()
        self.phases_ms[phase] = (now_ns - self._last_ns) / 1e6
        self._last_ns = now_ns


startup = Startup()
