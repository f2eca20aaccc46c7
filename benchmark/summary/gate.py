"""Objectives (SLOs) checked against a run, for a pipeline that must stop when one is missed.

The measured value decides, and the text says whether its interval reaches beyond the limit. A strict gate passes only
if the whole interval passes. An unfinished or generator-limited run adds a failed check.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite, isinf
from xml.etree import ElementTree

from benchmark.record.run import RunState
from benchmark.statistics.estimates import Estimate
from benchmark.statistics.percentiles import PERCENTILES
from benchmark.statistics.text import span
from benchmark.summary.summarise import Figures, Summary, limits

_SLO = re.compile(
    r"(?P<key>[A-Za-z][A-Za-z0-9_-]*)\.(?P<metric>[a-z0-9._]+)"
    r"\s*(?P<operator><=|>=|<|>)\s*(?P<limit>[0-9]+(\.[0-9]+)?([eE]-?[0-9]+)?)"
)
_NON_INFERIOR = re.compile(
    r"(?P<key>[A-Za-z][A-Za-z0-9_-]*):(?P<reference>[A-Za-z][A-Za-z0-9_-]*):(?P<limit>[0-9]+(\.[0-9]+)?)(?P<unit>%|ms)"
)


class GateError(ValueError):
    """The objective is invalid, or the run does not have its endpoint or metric; the message says which."""


@dataclass(frozen=True, slots=True)
class Check:
    """One objective and whether the run keeps it, with the figure as text."""

    objective: str
    holds: bool
    found: str


def flaws(summary: Summary) -> Iterator[Check]:
    """Failed checks for an unsound run; none for a sound run."""
    run = summary.run
    if run.state is not RunState.FINISHED:
        yield Check("the run finished", False, f"it is {run.state.value}")
    if reasons := limits(run):
        yield Check("the client kept up", False, f"generator-limited: {'; '.join(reasons)}")


def metrics() -> tuple[str, ...]:
    """The metrics that an objective can use."""
    return (*(f"{name}_ms" for name in PERCENTILES), "error_rate", "goodput", "rate")


def check_slo(summary: Summary, text: str, *, strict: bool = False) -> Check:
    """`NAME.METRIC<LIMIT`, METRIC a percentile such as p95_ms, error_rate, goodput or rate. Raises GateError.

    Percentiles are those of response time in an open loop, with timeouts longer than every answer. `strict` checks the
    upper end of the interval (for > the lower). A rate has no interval, so it never holds strictly. Goodput needs a run
    with a limit.
    """
    found = _SLO.fullmatch(text.strip())
    if not found or found["metric"] not in metrics():
        raise GateError(
            f"--slo {text}: must be like api.p95_ms<200 or function.error_rate<0.01, of {', '.join(metrics())}"
        )
    side = _side(summary, found["key"], text)
    metric, limit = found["metric"], float(found["limit"])
    if metric == "goodput" and side.goodput is None:
        raise GateError(f"--slo {text}: run {summary.run.id} has no goodput: measure it with --goodput-ms")
    estimate = _estimate(side, metric)
    above = found["operator"].startswith(">")
    if not estimate.n:
        return Check(text, False, "not measured")
    bound = estimate.low if above else estimate.high
    certain = bound is not None and _within(bound, found["operator"], limit)
    holds = certain if strict else _within(estimate.value, found["operator"], limit)
    value = "beyond the timeout" if isinf(estimate.value) else _exact(estimate.value)
    low, high = estimate.low, estimate.high
    known = "interval not estimable" if low is None or high is None else span(low, high, _exact)
    doubt = ""
    if holds and not certain:
        doubt = ", not certain" if metric == "rate" else ", not certain: more requests would tell"
    return Check(text, holds, f"{value} ({known}, n = {estimate.n}{doubt})")


def check_non_inferior(summary: Summary, text: str) -> Check:
    """`NAME:REFERENCE:LIMIT%`, or `ms`: NAME's median exceeds REFERENCE's by less than the limit. Raises GateError.

    The end of the difference's interval that is worse for NAME must be within the limit.
    """
    found = _NON_INFERIOR.fullmatch(text.strip())
    if not found:
        raise GateError(f"--non-inferior {text}: must be like function:api:10% or function:api:5ms")
    side, reference = (_side(summary, found[name], text) for name in ("key", "reference"))
    if side is reference or not summary.verdict:
        raise GateError(f"--non-inferior {text}: needs two endpoints")
    positions = summary.endpoints.index(side), summary.endpoints.index(reference)
    pair = next(pair for pair in summary.verdict.pairs if {pair.first, pair.second} == set(positions))
    effect, first = pair.effect, pair.first == positions[0]
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
    lines = ["| objective | kept | measured |", "|---|---|---|"]
    lines += [f"| `{check.objective}` | {'yes' if check.holds else '**no**'} | {check.found} |" for check in checks]
    verdict = f"\n{summary.verdict.sentence}\n" if summary.verdict else ""
    return "\n".join([f"Run {summary.run.id}", "", *lines]) + f"\n{verdict}"


def to_junit(summary: Summary, checks: Sequence[Check]) -> str:
    """JUnit XML, which CI systems show as tests."""
    failures = sum(not check.holds for check in checks)
    suite = ElementTree.Element(
        "testsuite", name=f"run {summary.run.id}", tests=str(len(checks)), failures=str(failures)
    )
    for check in checks:
        case = ElementTree.SubElement(suite, "testcase", classname="faceoff", name=check.objective)
        if not check.holds:
            ElementTree.SubElement(case, "failure", message=check.found)
        ElementTree.SubElement(case, "system-out").text = check.found
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _exact(value: float) -> str:
    """Six digits, because a limit is compared with all of them."""
    return f"{value:.6g}"


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
    if metric == "goodput" and side.goodput:
        return side.goodput.share
    if metric == "rate":
        return Estimate(side.rate, None, None, side.n)
    return side.censored_ms[list(PERCENTILES).index(metric.removesuffix("_ms"))]
