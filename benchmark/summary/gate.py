"""Promises checked against a run: pure, for a pipeline that must stop when one is broken.

The measured value decides, as everywhere else that promises are checked, and it is said where its interval reaches
beyond the limit; a strict gate holds only where the whole interval does. A run that did not finish, or measured its own
client, keeps no promise: that is a broken check of its own.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite, isinf
from xml.etree import ElementTree

from benchmark.record.run import RunState
from benchmark.statistics.estimates import Estimate
from benchmark.summary.summarise import SHARE_NAMES, Figures, Summary, limits

_SLO = re.compile(
    r"(?P<key>[A-Za-z][A-Za-z0-9_-]*)\.(?P<metric>p50_ms|p95_ms|p99_ms|error_rate|rate)"
    r"\s*(?P<operator><=|>=|<|>)\s*(?P<limit>[0-9]+(\.[0-9]+)?([eE]-?[0-9]+)?)"
)
_NON_INFERIOR = re.compile(
    r"(?P<key>[A-Za-z][A-Za-z0-9_-]*):(?P<reference>[A-Za-z][A-Za-z0-9_-]*):(?P<limit>[0-9]+(\.[0-9]+)?)(?P<unit>%|ms)"
)


class GateError(ValueError):
    """A promise that cannot be read, or is about what the run does not have; the message says which."""


@dataclass(frozen=True, slots=True)
class Check:
    """One promise and whether it was kept, with the figure in words."""

    promise: str
    holds: bool
    found: str


def flaws(summary: Summary) -> Iterator[Check]:
    """Why the run is no evidence for any promise, each as a broken check; none of a sound run."""
    run = summary.run
    if run.state is not RunState.FINISHED:
        yield Check("the run finished", False, f"it is {run.state.value}")
    if reasons := limits(run):
        yield Check("the client kept up", False, f"generator-limited: {'; '.join(reasons)}")


def check_slo(summary: Summary, text: str, *, strict: bool = False) -> Check:
    """`NAME.METRIC<LIMIT`, METRIC one of p50_ms, p95_ms, p99_ms, error_rate and rate. Raises GateError.

    Of response time where there is one, with timeouts as longer than every answer. `strict` takes the upper end of the
    interval (for > the lower); a rate has none, so that nothing strict can be said of it.
    """
    found = _SLO.fullmatch(text.strip())
    if not found:
        raise GateError(f"--slo {text}: must be like api.p95_ms<200 or function.error_rate<0.01")
    side = _side(summary, found["key"], text)
    metric, limit = found["metric"], float(found["limit"])
    estimate = _estimate(side, metric)
    above = found["operator"].startswith(">")
    if not estimate.n:
        return Check(text, False, "not measured")
    bound = estimate.low if above else estimate.high
    certain = bound is not None and _within(bound, found["operator"], limit)
    holds = certain if strict else _within(estimate.value, found["operator"], limit)
    value = "beyond the timeout" if isinf(estimate.value) else f"{estimate.value:.6g}"
    low, high = estimate.low, estimate.high
    span = "interval not estimable" if low is None or high is None else f"{low:.6g} to {high:.6g}"
    doubt = ""
    if holds and not certain:
        doubt = ", not certain" if metric == "rate" else ", not certain: more requests would tell"
    return Check(text, holds, f"{value} ({span}, n = {estimate.n}{doubt})")


def check_non_inferior(summary: Summary, text: str) -> Check:
    """`NAME:REFERENCE:LIMIT%`, or `ms`: NAME's median exceeds REFERENCE's by less than the limit. Raises GateError.

    Held against the end of the difference's interval that is worse for NAME.
    """
    found = _NON_INFERIOR.fullmatch(text.strip())
    if not found:
        raise GateError(f"--non-inferior {text}: must be like function:api:10% or function:api:5ms")
    side, reference = (_side(summary, found[name], text) for name in ("key", "reference"))
    if side is reference or not summary.verdict:
        raise GateError(f"--non-inferior {text}: needs two endpoints")
    effect = summary.verdict.effect
    first = side is summary.endpoints[0]
    value, bound = (effect.value, effect.high) if first else (-effect.value, effect.low)
    if bound is None:
        return Check(text, False, f"interval not estimable (n = {effect.n})")
    worst = bound if first else -bound
    measured = f"{value:.4g} ms" if isfinite(value) else "beyond the timeout"
    limit_ms = float(found["limit"])
    if found["unit"] == "%":
        if isinf(reference.censored_ms[0].value):
            return Check(text, False, f"the median of {found['reference']} is beyond the timeout (n = {effect.n})")
        limit_ms *= reference.censored_ms[0].value / 100
    return Check(text, worst < limit_ms, f"{measured}, at worst {worst:.4g} of {limit_ms:.4g} ms (n = {effect.n})")


def to_markdown(summary: Summary, checks: Sequence[Check]) -> str:
    """A table for a pull request."""
    lines = ["| promise | kept | measured |", "|---|---|---|"]
    lines += [f"| `{check.promise}` | {'yes' if check.holds else '**no**'} | {check.found} |" for check in checks]
    verdict = f"\n{summary.verdict.sentence}\n" if summary.verdict else ""
    return "\n".join([f"Run {summary.run.id}", "", *lines]) + f"\n{verdict}"


def to_junit(summary: Summary, checks: Sequence[Check]) -> str:
    """JUnit's XML, which pipelines show as tests."""
    failures = sum(not check.holds for check in checks)
    suite = ElementTree.Element(
        "testsuite", name=f"run {summary.run.id}", tests=str(len(checks)), failures=str(failures)
    )
    for check in checks:
        case = ElementTree.SubElement(suite, "testcase", classname="faceoff", name=check.promise)
        if not check.holds:
            ElementTree.SubElement(case, "failure", message=check.found)
        ElementTree.SubElement(case, "system-out").text = check.found
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _within(value: float, operator: str, limit: float) -> bool:
    return {"<": value < limit, "<=": value <= limit, ">": value > limit, ">=": value >= limit}[operator]


def _side(summary: Summary, key: str, text: str) -> Figures:
    for side in summary.endpoints:
        if side.key == key:
            return side
    known = ", ".join(side.key for side in summary.endpoints)
    raise GateError(f"{text}: run {summary.run.id} has no endpoint {key}, only {known}")


def _estimate(side: Figures, metric: str) -> Estimate:
    if metric == "error_rate":
        return side.error_rate
    if metric == "rate":
        return Estimate(side.rate, None, None, side.n)
    return side.censored_ms[SHARE_NAMES.index(metric.removesuffix("_ms"))]
