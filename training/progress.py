"""A progress bar on standard error, where that is a terminal."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_WIDTH = 30


@contextmanager
def progress(total: int) -> Iterator[Callable[[str], None]]:
    """A function that draws the bar; each call is one of `total` steps, which is named and then takes its time.

    The bar is erased at the end. Where nobody watches, nothing is written.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    done = 0
    started_s = time.monotonic()

    def step(name: str) -> None:
        nonlocal done
        filled = _WIDTH * done // total
        bar = "█" * filled + "░" * (_WIDTH - filled)
        sys.stderr.write(f"\r\x1b[K{bar} {done}/{total} {time.monotonic() - started_s:.0f} s  {name}")
        sys.stderr.flush()
        done = min(done + 1, total)

    try:
        yield step
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
