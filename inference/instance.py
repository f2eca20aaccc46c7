"""This server process as its clients see it: an identity, an age and a count of prediction requests.

With these three a client knows a cold start instead of guessing it: the answer is cold when it is the
instance's first prediction and the instance is no older than the time that the client waited for it.
"""

import os
import time
from pathlib import Path


class Instance:
    """One serving process. Create it once per process; under a forking server it renews itself in the child."""

    def __init__(self) -> None:
        self._started_ns = process_start_ns() or time.monotonic_ns()
        self.request_count = 0
        self.id = os.urandom(6).hex()
        if hasattr(os, "register_at_fork"):
            # functions-framework imports the function in gunicorn's master and forks: an id taken at import
            # would be shared by all workers and survive their restarts.
            os.register_at_fork(after_in_child=self._renew_id)

    def _renew_id(self) -> None:
        self.id = os.urandom(6).hex()
        self.request_count = 0

    def age_ms(self) -> float:
        """Milliseconds since the process was started, interpreter start included where the system tells it."""
        return (time.monotonic_ns() - self._started_ns) / 1e6


def process_start_ns() -> int | None:
    """When this process was started, on the monotonic clock; None where /proc does not tell.

    Field 22 of /proc/self/stat is the start in clock ticks since boot (proc_pid_stat(5)); CLOCK_BOOTTIME is
    the clock that counts them.
    """
    now_ns = time.monotonic_ns()
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started_ticks = int(fields[19])
        since_boot_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    except (OSError, ValueError, IndexError, AttributeError):
        return None
    # The tick is cut off, so the start lies within it: its end is taken, so that no age is overstated and a
    # cold start never looks like a warm one.
    age_ns = since_boot_ns - (started_ticks + 1) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    # Inside a sandbox the two clocks may not share an origin; an age that cannot be is not used.
    return now_ns - age_ns if 0 <= age_ns < 60_000_000_000 else None
