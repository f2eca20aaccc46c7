"""All cases, run against both endpoints at once, and the figures that sum them up."""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.hostile import (
    cases_bodies,
    cases_framing,
    cases_headers,
    cases_json,
    cases_numbers,
    cases_routes,
    cases_slow,
)
from tests.hostile.case import Case
from tests.hostile.client import Exchange, exchange, predicts
from tests.hostile.front.figures import Figures
from tests.hostile.verdict import KINDS, LIMIT_S, Problem, judge

AT_ONCE = 48
"""Most cases only wait; this many wait side by side."""
_PLURAL = {"hang": "hangs", "leak": "leaks", "disagreement": "disagreements"}


def all_cases() -> list[Case]:
    """Every case; their names are unique."""
    modules = (cases_json, cases_numbers, cases_bodies, cases_routes, cases_headers, cases_framing, cases_slow)
    return [case for module in modules for case in module.cases()]


def run(cases: Sequence[Case], ports: Mapping[str, int]) -> dict[str, list[Problem]]:
    """The problems of each case, by its name, most of them none."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        # Those that wait for the server's deadline start first.
        ordered = sorted(cases, key=lambda case: not case.until_closed)
        started = {
            (case.name, endpoint): pool.submit(_try, port, case) for case in ordered for endpoint, port in ports.items()
        }
        results = {key: future.result() for key, future in started.items()}
    return {
        case.name: judge(
            case,
            {endpoint: results[case.name, endpoint][0] for endpoint in ports},
            frozenset(endpoint for endpoint in ports if not results[case.name, endpoint][1]),
        )
        for case in cases
    }


def summary(problems: Mapping[str, Sequence[Problem]]) -> Figures:
    """The figures of a run."""
    counts = Counter(kind for found in problems.values() for kind in {problem.kind for problem in found})
    return Figures(len(problems), {_PLURAL.get(kind, kind): counts[kind] for kind in KINDS})


def _try(port: int, case: Case) -> tuple[Exchange, bool]:
    found = exchange(port, case)
    if found.waited_s > LIMIT_S:
        # A crowded machine may delay one exchange; what hangs does so again.
        found = exchange(port, case)
    return found, predicts(port)
