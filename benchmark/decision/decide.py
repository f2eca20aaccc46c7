"""Which of two endpoints to choose for stated needs: one sentence, its evidence, and where the answer flips.

Nothing is guessed: an objective holds or is broken only where the whole interval says so, and what has not been
measured, or not often enough, leads to the run that is missing. Pure functions over `Findings`.
"""

import math
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache, partial
from typing import Any, Literal

from scipy.special import ndtri

from benchmark.coldstart.summary import ColdFigures, ColdSummary
from benchmark.cost.bill import Cost, CostError, Workload, grid, monthly_cost
from benchmark.cost.prices import Billing, Prices
from benchmark.cost.traffic import MONTH_S, STEADY, Traffic, blocks
from benchmark.decision.findings import Findings, Side
from benchmark.record.plan import MARGIN_PCT, MAX_REQUESTS
from benchmark.statistics.estimates import Estimate, consecutive_blocks, min_samples, more_samples, quantile
from benchmark.statistics.verdict import Outcome as Found
from benchmark.summary.printing import number
from benchmark.summary.summarise import SHARE_NAMES, SHARES, Figures, Summary

Matter = Literal["latency", "cost", "coldstart"]
MATTERS: tuple[Matter, ...] = ("latency", "cost", "coldstart")
MATTER_NAMES: dict[Matter, str] = {"latency": "latency", "cost": "cost", "coldstart": "cold starts"}
Percentile = Literal["p95", "p99"]

_SAME_USD = 0.005
_RATE = 50.0
"""Requests a second of a load run that is proposed."""
_SHORT_GAP_S = 60.0
"""Up to this idle gap no ladder is asked for: both platforms keep an instance for minutes after a request."""


class NeedsError(ValueError):
    """What is asked for makes no sense; the message says why in a clause."""


class Outcome(StrEnum):
    CHOICE = "choice"
    TIE = "tie"
    NEITHER = "neither"
    NOT_ENOUGH = "not enough evidence"


class Holds(StrEnum):
    """Whether an endpoint keeps an objective. Unknown, too, where the limit lies within the interval."""

    KEPT = "kept"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Needs:
    """What somebody asks for; an objective that is None is none. `matters` are in their order. Raises NeedsError."""

    requests_per_month: int = 5_000_000
    traffic: Traffic = STEADY
    percentile: Percentile = "p95"
    latency_ms: float | None = None
    availability_pct: float | None = None
    budget_usd: float | None = None
    matters: tuple[Matter, ...] = ("latency", "cost")
    min_instances: int = 0
    billing: Billing = "request"

    def __post_init__(self) -> None:
        _require(1 <= self.requests_per_month <= 10**12, "requests per month must be from 1 to 10^12")
        _require(self.latency_ms is None or 0 < self.latency_ms < 3.6e6, "the latency objective must be above 0 ms")
        _require(
            self.availability_pct is None or 0 < self.availability_pct < 100,
            "the availability must be above 0 and below 100 %: no number of requests shows 100 %",
        )
        _require(self.budget_usd is None or 0 <= self.budget_usd < 1e12, "the budget must be USD 0 or more")
        _require(0 <= self.min_instances <= 1000, "minimum instances must be from 0 to 1000")
        _require(bool(self.matters) and set(self.matters) <= set(MATTERS), f"what matters is {', '.join(MATTERS)}")
        _require(len(set(self.matters)) == len(self.matters), "what matters can be named once only")


@dataclass(frozen=True, slots=True)
class Objective:
    """One objective of one endpoint, and the figure that tells."""

    name: str
    key: str
    holds: Holds
    found: str


@dataclass(frozen=True, slots=True)
class Preference:
    """What one criterion says: the `key` that it prefers, a tie, or neither where it is not known."""

    matter: Matter
    key: str | None
    is_tie: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Flip:
    """Where the answer changes when one input does and the others stay.

    `inside` and `at` are values of the field `input` of `Needs`, as close as it was looked for: at the first the answer
    is still the same, at the second it is `label`.
    """

    input: str
    inside: Any
    at: Any
    label: tuple[Outcome, str | None]
    sentence: str


@dataclass(frozen=True, slots=True)
class Missing:
    """What is not known, and the command and the page that would tell."""

    what: str
    command: str
    page: str


@dataclass(frozen=True, slots=True)
class Source:
    """A run that the answer rests on."""

    run_id: str
    kind: str
    started_at_utc: str
    samples: str
    sentence: str
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer with all that it rests on. `costs` are by endpoint, None where no bill can be made."""

    needs: Needs
    outcome: Outcome
    key: str | None
    sentence: str
    preferences: tuple[Preference, ...]
    objectives: tuple[Objective, ...]
    costs: tuple[Cost | None, ...]
    flips: tuple[Flip, ...]
    missing: tuple[Missing, ...]
    sources: tuple[Source, ...]
    assumptions: tuple[str, ...]
    fair: bool


def decide(needs: Needs, findings: Findings, prices: Prices) -> Decision:
    """The answer to `needs`, as far as `findings` go."""
    case = _Case(findings, prices)
    answer = case.answer(needs)
    missing = tuple(_missing(case, needs, answer))
    return Decision(
        needs,
        answer.outcome,
        answer.key,
        _sentence(case, needs, answer, missing),
        answer.preferences,
        answer.objectives,
        tuple(case.cost(needs, position) for position in (0, 1)),
        tuple(_flips(case, needs, answer)),
        missing,
        tuple(_sources(findings)),
        tuple(_assumptions(case, needs)),
        not findings.mismatches and bool(findings.runs),
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    outcome: Outcome
    key: str | None
    why: str
    preferences: tuple[Preference, ...]
    objectives: tuple[Objective, ...]

    @property
    def label(self) -> tuple[Outcome, str | None]:
        return self.outcome, self.key


class _Case:
    """The evidence with what is computed from it again and again while an input is varied."""

    def __init__(self, findings: Findings, prices: Prices) -> None:
        self.findings = findings
        self._prices = prices
        self._bill = lru_cache(maxsize=None)(self._bill_uncached)
        self._warm = lru_cache(maxsize=None)(self._warm_uncached)

    def answer(self, needs: Needs) -> _Answer:
        """What can be said, without the sentence."""
        keys, names = self.findings.keys, dict(zip(self.findings.keys, self.findings.names, strict=True))
        objectives = tuple(one for position in (0, 1) for one in self.objectives(needs, position))
        broken = {key: [one for one in objectives if one.key == key and one.holds is Holds.BROKEN] for key in keys}
        unknown = {key: [one for one in objectives if one.key == key and one.holds is Holds.UNKNOWN] for key in keys}
        left = [key for key in keys if not broken[key]]
        preferences: tuple[Preference, ...] = ()

        def made(outcome: Outcome, key: str | None, why: str) -> _Answer:
            return _Answer(outcome, key, why, preferences, objectives)

        if not left:
            faults = "; ".join(f"{names[key]} breaks {_listed(broken[key])}" for key in keys)
            return made(Outcome.NEITHER, None, faults)
        if len(left) == 1:
            (key,) = left
            other = keys[1 - keys.index(key)]
            fault = f"{names[other]} breaks {_listed(broken[other])}"
            if unknown[key]:
                return made(Outcome.NOT_ENOUGH, None, f"{fault}, and of {names[key]} {_doubt(unknown[key])}")
            return made(Outcome.CHOICE, key, f"it keeps every objective, and {fault}")
        preferences = tuple(self._preferences(needs))
        last = preferences[-1]
        if last.key is None and not last.is_tie:
            return made(Outcome.NOT_ENOUGH, None, last.reason)
        doubts = [key for key in keys if unknown[key] and last.key in (key, None)]
        if doubts:
            return made(Outcome.NOT_ENOUGH, None, f"of {names[doubts[0]]} {_doubt(unknown[doubts[0]])}")
        if last.key is None:
            return made(Outcome.TIE, None, ", and ".join(one.reason for one in preferences))
        return made(Outcome.CHOICE, last.key, ", and ".join(one.reason for one in reversed(preferences)))

    # --- Objectives

    def objectives(self, needs: Needs, position: int) -> Iterator[Objective]:
        """Each that was asked for, for one endpoint."""
        key = self.findings.keys[position]
        figures = self._figures(position)
        if needs.latency_ms is not None:
            name = f"{needs.percentile} of at most {needs.latency_ms:g} ms"
            yield Objective(name, key, *self._latency(needs, needs.latency_ms, position))
        if needs.availability_pct is not None:
            name = f"{needs.availability_pct:g} % available"
            estimate = figures.availability if figures else Estimate(math.nan, None, None, 0)
            share = needs.availability_pct / 100
            holds = _held(estimate, share, at_least=True)
            yield Objective(name, key, holds, _figure(estimate, 100, " %", "requests"))
        if needs.budget_usd is not None:
            name = f"at most USD {needs.budget_usd:,.2f} a month"
            cost = self.cost(needs, position)
            if cost is None:
                yield Objective(name, key, Holds.UNKNOWN, self._no_cost(needs, position))
            else:
                holds = Holds.KEPT if cost.net_usd <= needs.budget_usd + 1e-9 else Holds.BROKEN
                yield Objective(name, key, holds, f"USD {cost.net_usd:,.2f} after the free tier")

    def _figures(self, position: int) -> Figures | None:
        measured = self.findings.measured
        return measured.endpoints[position] if measured else None

    def _latency(self, needs: Needs, limit_ms: float, position: int) -> tuple[Holds, str]:
        figures = self._figures(position)
        if figures is None or not figures.n:
            return Holds.UNKNOWN, "not measured"
        share = SHARES[SHARE_NAMES.index(needs.percentile)]
        least, most = self.cold_shares(needs, position) or (0.0, 0.0)
        warm = figures.latency_ms[SHARE_NAMES.index(needs.percentile)]
        cold = self._cold_ms(position)
        if least >= 1 - share and cold and cold.low is not None and cold.low > limit_ms:
            return Holds.BROKEN, f"{_percent(least)} of the requests meet a cold start, {_figure(cold, 1, ' ms')}"
        if most == 0:
            return _held(warm, limit_ms), _figure(warm, 1, " ms")
        if _held(warm, limit_ms) is Holds.BROKEN:  # with cold starts it only gets longer
            return Holds.BROKEN, _figure(warm, 1, " ms")
        needed = share / (1 - most) if most < 1 else 1.0
        if needed > 1 - 1e-6:
            return (
                Holds.UNKNOWN,
                f"{_figure(warm, 1, ' ms')} warm, but up to {_percent(most)} of the requests meet a cold start",
            )
        # So that `share` of all requests keep it, more of the warm ones have to: the cold ones do not.
        rest = self._warm(position, needed)
        said = f"{_figure(rest, 1, ' ms')}, up to {_percent(most)} cold starts counted in"
        return (Holds.KEPT if _held(rest, limit_ms) is Holds.KEPT else Holds.UNKNOWN), said

    def _warm_uncached(self, position: int, share: float) -> Estimate:
        values = self.findings.latencies_ms[position]
        return quantile(values, share, blocks=consecutive_blocks(len(values)))

    # --- Cold starts

    def cold_figures(self, position: int, *, ladder: bool = False) -> ColdFigures | None:
        run = self.findings.ladder if ladder else self.findings.starts
        return run.endpoints[position] if run else None

    def _cold_ms(self, position: int) -> Estimate | None:
        """The median cold start."""
        figures = self.cold_figures(position)
        return figures.cold_ms[0] if figures and figures.cold_ms[0].n else None

    def cold_shares(self, needs: Needs, position: int) -> tuple[float, float] | None:
        """The least and the greatest share of requests that find no instance; None where no ladder tells.

        Of a first instance: further ones that a burst needs are not counted.
        """
        if needs.min_instances:
            return 0.0, 0.0
        figures = self.cold_figures(position, ladder=True)
        known = _threshold_s(figures) if figures else None
        if known is None:
            return None
        return tuple(cold_share(needs.traffic, needs.requests_per_month, gap_s) for gap_s in reversed(known))  # type: ignore[return-value]

    # --- Cost

    def cost(self, needs: Needs, position: int) -> Cost | None:
        """A month's bill, or None where there is no service time, or the platform does not offer it."""
        shares = self.cold_shares(needs, position) or (0.0, 0.0)
        bill = self._bill(
            position, needs.requests_per_month, needs.traffic, needs.min_instances, needs.billing, shares[1]
        )
        return bill if isinstance(bill, Cost) else None

    def _no_cost(self, needs: Needs, position: int) -> str:
        bill = self._bill(position, needs.requests_per_month, needs.traffic, needs.min_instances, needs.billing, 0.0)
        return bill if isinstance(bill, str) else "not known"

    def _bill_uncached(
        self, position: int, requests: int, traffic: Traffic, minimum: int, billing: Billing, cold: float
    ) -> Cost | str:
        side = self.findings.sides[position]
        if not side.services_ms:
            return "not measured"
        startup = self._cold_ms(position)
        try:
            workload = Workload(requests, side.services_ms, traffic, startup.value if startup else 0.0, cold)
            configuration = replace(side.configuration, min_instances=minimum, billing=billing)
            return monthly_cost(workload, configuration, self._prices)
        except CostError as error:
            return str(error)

    # --- What is preferred

    def _preferences(self, needs: Needs) -> Iterator[Preference]:
        """Criterion by criterion in their order, up to the first that is no tie."""
        judges = {"latency": self._faster, "cost": self._cheaper, "coldstart": self._warmer}
        for matter in needs.matters:
            found = judges[matter](needs)
            yield found
            if not found.is_tie:
                return

    def _faster(self, needs: Needs) -> Preference:
        run = self.findings.comparison or self.findings.load
        return self._by_verdict("latency", run, "no comparison has been measured", "answers faster", "equally fast")

    def _cheaper(self, needs: Needs) -> Preference:
        first, second = (self.cost(needs, position) for position in (0, 1))
        if first is None or second is None:
            side = self.findings.sides[0 if first is None else 1]
            return Preference("cost", None, False, f"the bill of {side.name} is not known")
        bills = (first.net_usd, second.net_usd)
        gap, low, high = abs(bills[0] - bills[1]), min(bills), max(bills)
        if gap < max(_SAME_USD, MARGIN_PCT / 100 * low):
            said = f"USD {low:,.2f}" + (f" and {high:,.2f}" if high - low >= _SAME_USD else "")
            return Preference(
                "cost", None, True, f"their bills are the same or within {MARGIN_PCT:g} % ({said} a month)"
            )
        key = self.findings.keys[bills.index(low)]
        return Preference("cost", key, False, f"it costs less (USD {low:,.2f} against {high:,.2f} a month, net)")

    def _warmer(self, needs: Needs) -> Preference:
        if needs.min_instances:
            return Preference("coldstart", None, True, "minimum instances keep a first instance of both")
        shares = [self.cold_shares(needs, position) for position in (0, 1)]
        starts = [self._cold_ms(position) for position in (0, 1)]
        one, other = shares
        if one and other and one != other:
            waits = [_expected_ms(share, start) for share, start in zip((one, other), starts, strict=True)]
            for position in (0, 1):
                mine, theirs = waits[position], waits[1 - position]
                if mine and theirs and mine[1] < theirs[0]:
                    said = f"it makes a request wait less for instances ({_percent(shares[position][0])} cold"  # type: ignore[index]
                    said += f" against {_percent(shares[1 - position][0])})"  # type: ignore[index]
                    return Preference("coldstart", self.findings.keys[position], False, said)
        if one == other == (0.0, 0.0):
            said = "at this traffic no idle gap is long enough for a cold start of either"
            return Preference("coldstart", None, True, said)
        return self._by_verdict(
            "coldstart", self.findings.starts, "no cold start has been measured", "starts faster", "start equally fast"
        )

    def _by_verdict(
        self, matter: Matter, run: Summary | ColdSummary | None, nothing: str, better: str, same: str
    ) -> Preference:
        verdict = run.verdict if run else None
        if run is None or verdict is None:
            return Preference(matter, None, False, nothing)
        effect = verdict.effect
        if verdict.outcome is Found.INCONCLUSIVE or effect.low is None or effect.high is None:
            if effect.low is None or effect.high is None:
                said = f"n = {effect.n} is too few to tell who {better}"
            else:
                said = f"who {better} is not settled ({_span(effect.value, effect.low, effect.high)}, n = {effect.n})"
            return Preference(matter, None, False, said)
        if verdict.outcome is Found.EQUIVALENT:
            who = "both" if matter == "coldstart" else "both are"
            said = f"{who} {same} (within {number(verdict.margin_ms)} ms, n = {effect.n})"
            return Preference(matter, None, True, said)
        first = effect.value < 0
        bounds = (-effect.high, -effect.low) if first else (effect.low, effect.high)
        said = f"it {better} by {_span(abs(effect.value), *bounds)} in the {verdict.metric}, n = {effect.n}"
        return Preference(matter, self.findings.keys[0 if first else 1], False, said)


def cold_share(traffic: Traffic, requests_per_month: int, idle_s: float) -> float:
    """Which share of the requests comes after an idle gap longer than `idle_s`, by the traffic alone."""
    shaped = traffic.with_enough(requests_per_month)
    arrivals = blocks(shaped, requests_per_month * shaped.period_s / MONTH_S)
    cold = total = 0
    for block, following in zip(arrivals, [*arrivals[1:], arrivals[0]], strict=True):
        spacing_s = block.duration_s / block.requests
        cold += (block.requests - 1) * (spacing_s > idle_s)
        until_s = following.start_s + (shaped.period_s if following.start_s <= block.start_s else 0.0)
        cold += until_s - block.start_s - spacing_s * (block.requests - 1) > idle_s
        total += block.requests
    return cold / total


def longest_gap_s(traffic: Traffic, requests_per_month: int) -> float:
    """The longest time without a request."""
    shaped = traffic.with_enough(requests_per_month)
    arrivals = blocks(shaped, requests_per_month * shaped.period_s / MONTH_S)
    gaps_s = [
        following.start_s
        + (shaped.period_s if following.start_s <= block.start_s else 0.0)
        - block.start_s
        - block.duration_s * (block.requests - 1) / block.requests
        for block, following in zip(arrivals, [*arrivals[1:], arrivals[0]], strict=True)
    ]
    return max(*gaps_s, *(block.duration_s / block.requests for block in arrivals if block.requests > 1), 0.0)


def availability_n(share: float) -> int:
    """How many requests without a failure it takes until Wilson's lower bound is at `share`: n / (n + z^2) >= share."""
    z = float(ndtri(0.975))
    return math.ceil(z * z * share / (1 - share))


def _threshold_s(figures: ColdFigures) -> tuple[float, float] | None:
    """Up to which idle gap it was warm, and from which on it is cold; None where no probe tells."""
    told = [probe for probe in figures.probes if probe.idle_s is not None and (probe.is_cold or probe.is_warm)]
    if not told:
        return None
    if figures.threshold:
        return figures.threshold.low_s, figures.threshold.high_s
    gaps_s = [probe.idle_s for probe in told if probe.idle_s is not None]
    return (0.0, min(gaps_s)) if told[0].is_cold else (max(gaps_s), math.inf)


def _expected_ms(share: tuple[float, float], start: Estimate | None) -> tuple[float, float] | None:
    """Between which bounds the mean wait of a request for an instance lies."""
    if share == (0.0, 0.0):
        return 0.0, 0.0
    if start is None or start.low is None or start.high is None:
        return None
    return share[0] * start.low, share[1] * start.high


def _held(estimate: Estimate, limit: float, *, at_least: bool = False) -> Holds:
    if estimate.low is None or estimate.high is None:
        return Holds.UNKNOWN
    if at_least:
        return Holds.KEPT if estimate.low >= limit else Holds.BROKEN if estimate.high < limit else Holds.UNKNOWN
    return Holds.KEPT if estimate.high <= limit else Holds.BROKEN if estimate.low > limit else Holds.UNKNOWN


# --- Where the answer flips


def _flips(case: _Case, needs: Needs, answer: _Answer) -> Iterator[Flip]:
    def label(name: str, value: Any) -> tuple[Outcome, str | None]:
        return case.answer(replace(needs, **{name: value})).label

    axes: list[tuple[str, Any, list[Any]]] = [
        ("requests_per_month", needs.requests_per_month, list(grid(1000, 1_000_000_000, 61))),
        ("latency_ms", needs.latency_ms or 60_000.0, _geometric(0.1, 60_000.0)),
        ("availability_pct", needs.availability_pct or 50.0, [100 - 50 * 10 ** (-step / 12) for step in range(49)]),
        ("budget_usd", 1e6 if needs.budget_usd is None else needs.budget_usd, [0.0, *_geometric(0.01, 1e6)]),
        ("min_instances", needs.min_instances, list(range(11))),
    ]
    for name, start, values in axes:
        if label(name, start) != answer.label:  # an objective that is not asked for, and that nothing is known about
            continue
        for upward in (False, True):
            beyond = sorted(
                (value for value in values if (value > start) is upward and value != start), reverse=not upward
            )
            inside, now = start, answer.label
            # Where evidence ends the answer flips too, but what follows beyond that is of more use.
            while found := _first_flip(partial(label, name), inside, beyond, now):
                before, at = found
                now = label(name, at)
                yield Flip(name, before, at, now, _flip_sentence(case, needs, name, at, now, upward))
                if now[0] is not Outcome.NOT_ENOUGH:
                    break
                inside, beyond = at, [value for value in beyond if (value > at) is upward and value != at]
    for matter in MATTERS:
        if matter != needs.matters[0]:
            order = (matter, *(one for one in needs.matters if one != matter))
            now = label("matters", order)
            if now != answer.label:
                said = f"If {MATTER_NAMES[matter]} mattered most: {_label_text(case, now)}."
                yield Flip("matters", needs.matters, order, now, said)


def _first_flip(
    label: Callable[[Any], Any], start: Any, beyond: Sequence[Any], now: Any, tolerance: float = 1e-4
) -> tuple[Any, Any] | None:
    """The nearest of `beyond` with another label, narrowed down to one, or to `tolerance` of its value."""
    inside = start
    for value in beyond:
        if label(value) == now:
            inside = value
            continue
        at = value
        whole = isinstance(start, int)
        while abs(at - inside) > (
            1 if whole else tolerance * min(abs(at), abs(100 - at) if 50 < at < 100 else abs(at))
        ):
            middle = (at + inside) // 2 if whole else (at + inside) / 2
            if middle in (at, inside):
                break
            inside, at = (middle, at) if label(middle) == now else (inside, middle)
        return inside, at
    return None


def _geometric(low: float, high: float, points: int = 61) -> list[float]:
    return [low * (high / low) ** (step / (points - 1)) for step in range(points)]


def _flip_sentence(case: _Case, needs: Needs, name: str, at: Any, label: Any, upward: bool) -> str:
    span = "or more" if upward else "or less"
    text = {
        "requests_per_month": lambda: f"At {count(at)} requests a month {span}",
        "latency_ms": lambda: f"With a {needs.percentile} objective of {at:.4g} ms {span}",
        "availability_pct": lambda: f"With an availability of {_availability(at, upward)} % {span}",
        "budget_usd": lambda: f"With a budget of USD {_cents(at, upward):,.2f} {span}",
        "min_instances": lambda: f"With {at} minimum instance{'' if at == 1 else 's'} {span}",
    }[name]()
    return f"{text}: {_label_text(case, label)}."


def _cents(usd: float, upward: bool) -> float:
    return (math.ceil if upward else math.floor)(usd * 100) / 100


def _availability(value: float, upward: bool) -> str:
    """With one more digit than there are nines."""
    digits = max(1, 2 - math.floor(math.log10(100 - value)))
    return f"{(math.ceil if upward else math.floor)(value * 10**digits) / 10**digits:.{digits}f}".rstrip("0").rstrip(
        "."
    )


def _label_text(case: _Case, label: tuple[Outcome, str | None]) -> str:
    outcome, key = label
    if key:
        return case.findings.names[case.findings.keys.index(key)]
    return {
        Outcome.TIE: "a tie",
        Outcome.NEITHER: "neither keeps the objectives",
        Outcome.NOT_ENOUGH: "not enough evidence",
    }[outcome]


# --- Words


def _sentence(case: _Case, needs: Needs, answer: _Answer, missing: Sequence[Missing]) -> str:
    names = dict(zip(case.findings.keys, case.findings.names, strict=True))
    unfair = bool(case.findings.mismatches)
    if answer.outcome is Outcome.NOT_ENOUGH:
        run = f" Run this: {missing[0].command}" if missing else ""
        return f"Not enough evidence: {answer.why}.{run}"
    if answer.outcome is Outcome.NEITHER:
        lead = "Neither of these two deployments keeps" if unfair else "Neither keeps"
        return f"{lead} what you ask for: {answer.why}."
    if answer.outcome is Outcome.TIE:
        lead = "These two deployments are a tie" if unfair else "It is a tie"
        return f"{lead} at {count(needs.requests_per_month)} requests a month: {answer.why}."
    lead = "Of these two deployments choose" if unfair else "Choose"
    kept = sum(one.key == answer.key for one in answer.objectives)
    promise = f", and it keeps {'the objective' if kept == 1 else f'all {kept} objectives'}" if kept else ""
    if answer.why.startswith("it keeps every"):
        promise = ""
    at = f"at {count(needs.requests_per_month)} requests a month"
    return f"{lead} {names[answer.key or '']} {at}: {answer.why}{promise}."


def count(value: float) -> str:
    """A number of requests as one says it, `16.8 million`: three digits, and all of them below a million."""
    for unit, name in ((1e9, "billion"), (1e6, "million")):
        if value >= unit * 0.9995:
            return f"{value / unit:.3g} {name}"
    return f"{value:,.0f}".replace(",", " ")


def _figure(estimate: Estimate, factor: float = 1.0, unit: str = "", of: str = "") -> str:
    if not estimate.n:
        return "not measured"
    n = f"n = {estimate.n}{' ' + of if of else ''}"
    places = 3 if factor == 100 else None
    value, low, high = (
        None
        if one is None
        else f"{one * factor:.{places}f}".rstrip("0").rstrip(".")
        if places
        else number(one * factor)
        for one in (estimate.value, estimate.low, estimate.high)
    )
    if low is None or high is None:
        return f"{value}{unit}, interval not estimable ({n})"
    return f"{value}{unit} (95% {low} to {high}, {n})"


def _span(value: float, low: float, high: float) -> str:
    return f"{number(value)} ms (95% {number(low)} to {number(high)})"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _listed(objectives: Sequence[Objective]) -> str:
    return " and ".join(f"“{one.name}”: {one.found}" for one in objectives)


def _doubt(objectives: Sequence[Objective]) -> str:
    return "it is not known whether it keeps " + _listed(objectives)


def _sources(findings: Findings) -> Iterator[Source]:
    for summary in findings.runs:
        run = summary.run
        if isinstance(summary, ColdSummary):
            conditions = summary.conditions
            samples = ", ".join(f"{len(side.probes)} probes of {side.name}" for side in summary.endpoints)
        else:
            conditions = summary.verdict.conditions if summary.verdict else ()
            samples = ", ".join(f"{one.n} answers of {one.name}" for one in summary.endpoints)
        sentence = summary.verdict.sentence if summary.verdict else ""
        yield Source(run.id, run.kind, run.started_at_utc, samples, sentence, conditions)


def _assumptions(case: _Case, needs: Needs) -> Iterator[str]:
    """What the answer takes for granted."""
    findings = case.findings
    measured = findings.measured
    for summary in findings.runs:
        if "truth" in summary.run.manifest:
            yield f"Run {summary.run.id} is simulated: it says nothing of any platform."
        if summary.run.outcome.get("generator", {}).get("limited"):
            yield f"Run {summary.run.id} is generator-limited: its latencies are in part the client's own."
    if measured and not measured.is_open_loop:
        yield "Objectives are held against a closed loop, which hides what requests do to each other: a load run tells."
    for side in findings.sides:
        if side.assumed and side.services_ms:
            size = side.configuration
            yield (
                f"{side.name} does not say its {_and(side.assumed)}, or says what is not offered: billed as "
                f"{size.vcpu:g} vCPU, {size.memory_gib:g} GiB and concurrency {size.concurrency}."
            )
    if any(side.services_ms for side in findings.sides):
        yield "Bills rest on service times as the client saw them, network included: they are rather too high."
    if not needs.min_instances and any(case.cold_shares(needs, position) is None for position in (0, 1)):
        yield "How often a request meets a cold start is not measured, so latency objectives and bills leave them out."
    if findings.mismatches:
        yield "Not equal, or not known to be: " + "; ".join(one.describe() for one in findings.mismatches) + "."


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


# --- What is missing


def _missing(case: _Case, needs: Needs, answer: _Answer) -> Iterator[Missing]:
    """What would settle what is open, the answer's own question first; each command once."""
    found: list[Missing] = []
    findings, sides = case.findings, case.findings.sides
    if answer.outcome is Outcome.NOT_ENOUGH and answer.preferences and answer.preferences[-1].key is None:
        last = answer.preferences[-1]
        if not last.is_tie:
            found.append(_run_for(case, last.matter))
    for one in answer.objectives:
        if one.holds is Holds.UNKNOWN:
            found.extend(_run_for_objective(case, needs, one))
    if not (findings.comparison or findings.load):
        found.append(Missing("Latency has not been compared.", _command("compare", sides, "--pairs 500"), "benchmark"))
    longest_s = longest_gap_s(needs.traffic, needs.requests_per_month)
    if findings.ladder is None and not needs.min_instances and longest_s > _SHORT_GAP_S:
        what = f"How often this traffic, with idle gaps of up to {_gap(longest_s)}, meets a cold start is not measured."
        found.append(Missing(what, _ladder(sides), "coldstart"))
    if findings.starts is None and "coldstart" in needs.matters:
        found.append(_run_for(case, "coldstart"))
    seen: set[str] = set()
    for missing in found:
        if missing.command not in seen:
            seen.add(missing.command)
            yield missing


def _run_for(case: _Case, matter: Matter) -> Missing:
    findings, sides = case.findings, case.findings.sides
    if matter == "coldstart":
        verdict = findings.starts.verdict if findings.starts else None
        repeats = verdict.effect.n + verdict.more_pairs if verdict and verdict.more_pairs else 20
        what = "Too few cold starts to tell." if findings.starts else "Cold starts have not been measured."
        if all(_is_local(side) for side in sides):
            return Missing(what, f"python -m benchmark coldstart --repeats {repeats}", "coldstart")
        return Missing(what, _ladder(sides), "coldstart")
    run = findings.comparison or findings.load
    verdict = run.verdict if run else None
    if matter == "cost" or verdict is None:
        what = "There is no service time to make a bill from." if matter == "cost" else "Latency has not been compared."
        return Missing(what, _command("compare", sides, "--pairs 500"), "benchmark")
    # A comparison that more of the same would hardly settle is at least worth a longer one.
    pairs = verdict.effect.n + verdict.more_pairs if verdict.more_pairs else max(500, 2 * verdict.effect.n)
    what = "The comparison does not settle who is faster."
    return Missing(what, _command("compare", sides, f"--pairs {pairs}"), "benchmark")


def _run_for_objective(case: _Case, needs: Needs, one: Objective) -> Iterator[Missing]:
    sides = case.findings.sides
    position = case.findings.keys.index(one.key)
    side = sides[position]
    measured = case.findings.measured
    what = f"Whether {side.name} keeps “{one.name}” is not known: {one.found}."
    if "a month" in one.name:
        if not side.services_ms:
            yield Missing(what, _command("compare", sides, "--pairs 500"), "benchmark")
        return
    if "available" in one.name:
        share = (needs.availability_pct or 0.0) / 100
        n = availability_n(share)
        if measured and measured.endpoints[position].availability.n:
            estimate = measured.endpoints[position].availability
            if estimate.n >= n:
                n = estimate.n + (more_samples(estimate, abs(estimate.value - share)) or estimate.n)
    else:
        shares = case.cold_shares(needs, position)
        if shares and shares[1] > shares[0]:
            yield Missing(what, _ladder(sides), "coldstart")
        n = 2 * min_samples(SHARES[SHARE_NAMES.index(needs.percentile)])
        if measured and measured.endpoints[position].n:
            estimate = measured.endpoints[position].latency_ms[SHARE_NAMES.index(needs.percentile)]
            if estimate.estimable:
                n = estimate.n + (more_samples(estimate, abs(estimate.value - (needs.latency_ms or 0.0))) or estimate.n)
    if 2 * n > MAX_REQUESTS:
        what += f" It takes about {count(n)} requests to each, more than one run may send."
        n = MAX_REQUESTS // 2
    duration_s = max(30, math.ceil(1.1 * n / _RATE))
    yield Missing(what, _command("load", sides, f"--rate {_RATE:g} --duration {duration_s}"), "benchmark")


def _command(kind: str, sides: Sequence[Side], options: str = "") -> str:
    ends = [f"--endpoint {shlex.quote(f'{side.key}={side.url}') if side.url else f'{side.key}=URL'}" for side in sides]
    return " ".join(["python -m benchmark", kind, *ends, options]).strip()


def _ladder(sides: Sequence[Side]) -> str:
    return _command("coldstart", sides, "--idle 1m,5m,15m,30m")


def _is_local(side: Side) -> bool:
    return side.url is None or "//127.0.0.1" in side.url or "//localhost" in side.url or "//[::1]" in side.url


def _gap(gap_s: float) -> str:
    if gap_s < 7200:
        return f"{gap_s / 60:.3g} min"
    return f"{gap_s / 3600:.3g} h"


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise NeedsError(what)
