"""What the process keeps in memory, and how it gives memory back."""

import ctypes
import gc
import sys
from contextlib import suppress

# Names of glibc's mallopt(3).
_M_TRIM_THRESHOLD = -1
_M_ARENA_MAX = -8
_TRIM_BYTES = 128 * 1024
_ARENAS = 2

_modules_before = 0


def freeze_imports() -> None:
    """Exclude everything imported so far from garbage collections, if that is more than at the last call.

    Streamlit runs a full collection after each run of a script. Most of what it visits are the modules of Streamlit,
    Plotly and pandas, which live as long as the process: more than half of the cost of a small change on a page.

    What sessions hold at that moment is excluded too. It is still freed with its last reference; only cycles stay, and
    there are only as many calls with new modules as there are pages and libraries.
    """
    global _modules_before
    if len(sys.modules) <= _modules_before:
        return
    _modules_before = len(sys.modules)
    gc.collect()
    gc.freeze()


def give_memory_back() -> None:
    """Let glibc return what sessions have freed, instead of keeping a heap for each of many threads.

    To be called before threads start. Elsewhere than on glibc, nothing happens.
    """
    with suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, _ARENAS)
        mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)
