"""`make bench-serving`: both endpoints against reference servers, as ratios.

Absolute times say more about the machine than about the code, and the machine has other work to do. So all servers
are measured in one run, in rounds that visit each of them once in random order; cold start and throughput are CPU
time, which other work disturbs least; and only ratios of medians are judged. One visit is one process: it is
started (a cold-start sample), asked for a while (a throughput sample), weighed (a memory sample) and stopped, and no
other server runs meanwhile, because memory that two of them share would count half for each. What a start and a request
are in instructions, which nothing disturbs, is counted once and compared with recorded ratios.
"""

import sys
from collections.abc import Sequence
from types import FrameType


class BenchError(Exception):
    """A server cannot be measured; the message says which one and why."""


def align(rows: Sequence[Sequence[str]]) -> str:
    """Rows as text: the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def end_with_status_143(_: int, __: FrameType | None) -> None:
    """A handler of SIGTERM: the program ends through its `finally` clauses."""
    sys.exit(143)


def progress(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
