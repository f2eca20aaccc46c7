"""Text about a run: pure functions from plans, runs and summaries to text and rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from benchmark.endpoints.fairness import conditions
from benchmark.engine.forecast import Forecast
from benchmark.launch import AnyPlan
from benchmark.record.run import Run, RunState
from benchmark.runs import UnknownKind, kind_named, plan_of
from benchmark.runs.requests import span
from benchmark.statistics import text
from benchmark.statistics.estimates import Estimate as Figure
from benchmark.statistics.percentiles import PERCENTILES
from benchmark.statistics.verdict import Outcome
from benchmark.summary.summarise import Goodput, Summary, limits
from dashboard.components.markup import NOTHING, Badge, count, counted, duration, plain


class Listed(Protocol):
    """A run, or what a list knows of it."""

    @property
    def id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def progress(self) -> Mapping[str, Any]: ...
    @property
    def started_at_utc(self) -> str: ...


STATES: Mapping[RunState, Badge] = {
    RunState.RUNNING: Badge("Running", ":material/play_circle:", "blue"),
    RunState.FINISHED: Badge("Finished", ":material/check_circle:", "green"),
    RunState.CANCELLED: Badge("Cancelled", ":material/cancel:", "orange"),
    RunState.ABORTED: Badge("Aborted", ":material/front_hand:", "orange"),
    RunState.FAILED: Badge("Failed", ":material/error:", "red"),
    RunState.LOST: Badge("Lost", ":material/help:", "orange"),
}
IMPORTED = Badge("Imported", ":material/upload_file:", "violet")
OUTCOMES: Mapping[Outcome, Badge] = {
    Outcome.WINNER: Badge("Winner", ":material/trophy:", "green"),
    Outcome.EQUIVALENT: Badge("Equivalent", ":material/equal:", "blue"),
    Outcome.INCONCLUSIVE: Badge("No winner", ":material/help:", "gray"),
}
NO_CLAIM = Badge("No verdict", ":material/speed:", "orange")
"""For a self-test, which has no verdict."""
ENDINGS: Mapping[RunState, str] = {
    RunState.CANCELLED: "This run was cancelled. The figures are from the requests that were answered before.",
    RunState.ABORTED: "This run exceeded a limit of its plan. The figures are from the requests that were sent before.",
    RunState.FAILED: "This run stopped early. The figures are from the requests that were recorded.",
    RunState.LOST: "Lost contact with this run. The figures are from the requests that were recorded.",
}


def estimate(planned: Forecast, names: Sequence[str]) -> str:
    """What a run will send, how long it will take, and what it will cost if that is known."""
    parts = [f"{count(planned.requests)} requests to {text.listed(names)}"]
    parts.append("duration unknown" if planned.duration_s is None else f"about {span(planned.duration_s)}")
    if planned.cost_usd is not None:
        parts.append(f"at most USD {planned.cost_usd:.2g}")
    return ", ".join(parts)


def progress(run: Run) -> tuple[float, str]:
    """The progress of a run, as a share and as Markdown."""
    done, total = int(run.progress.get("done", 0)), int(run.progress.get("total", 0))
    elapsed_s = float(run.progress.get("elapsed_s", 0.0))
    share = min(1.0, done / total) if total else 0.0
    left = f", about {span(elapsed_s * (1 - share) / share)} left" if 0 < share < 1 and elapsed_s > 0 else ""
    phase = f", {plain(str(run.progress['phase']))}" if run.progress.get("phase") else ""
    return share, f"{count(done)} of {count(total)} {_unit(run)}s{phase}{left}"


def describe(plan: AnyPlan, endpoints: int) -> str:
    """A plan for so many endpoints in a few words."""
    return kind_named(plan.kind).describe(plan, endpoints, count)


def plan(run: Run) -> str:
    """The plan of a run in a few words. Raises PlanError."""
    return describe(plan_of(run), len(run.endpoint_keys))


def title(run: Listed) -> str:
    """The title of a run: its name, or its kind and id."""
    return run.name or f"{kind(run).capitalize()} {run.id}"


def kind(run: Listed) -> str:
    """The kind of a run, in words."""
    try:
        return kind_named(run.kind).title
    except UnknownKind:  # from a later version
        return run.kind


def has_latencies(run: Listed) -> bool:
    """Whether a run is of a kind whose latencies can be compared with those of another run."""
    try:
        return issubclass(kind_named(run.kind).summary_type, Summary)
    except UnknownKind:  # from a later version
        return False


def share_done(run: Listed) -> str:
    """How much of a run in progress is done, in a few words."""
    done, total = (int(run.progress.get(name, 0)) for name in ("done", "total"))
    return f"{min(100, 100 * done // total)}% of {counted(total, _unit(run))}" if total else "starting"


def _unit(run: Listed) -> str:
    try:
        return kind_named(run.kind).unit
    except UnknownKind:
        return "request"


def badges(run: Run) -> str:
    """The state of a run, and whether it was imported, as Markdown."""
    return " ".join([STATES[run.state].markdown, *([IMPORTED.markdown] if run.is_imported else [])])


def headline(run: Run) -> str:
    """The title and state of a run, whether it was imported, and when it started."""
    kinds = [kind(run)] if run.name else []
    return " · ".join([title(run), *kinds, run.state.value, *(["imported"] if run.is_imported else []), started(run)])


def started(run: Listed) -> str:
    """When a run started, to the second."""
    return _time(run, "%Y-%m-%d %H:%M:%S UTC")


def started_to_minute(run: Listed) -> str:
    """When a run started in UTC, to the minute."""
    return _time(run, "%Y-%m-%d %H:%M")


def _time(run: Listed, form: str) -> str:
    try:
        return datetime.fromisoformat(run.started_at_utc).strftime(form)
    except ValueError:  # imported
        return run.started_at_utc


def limited(run: Run) -> str:
    """A warning that the client was the limit, with the reasons and advice; empty for a sound run."""
    reasons = limits(run)
    if not reasons:
        return ""
    return (
        f"The client was the limit: {'; '.join(reasons)}. These figures depend on this machine as much as on "
        "the endpoints, so this run claims nothing. Lower the rate, or measure from an idle machine."
    )


def ending(run: Run) -> str:
    """How a run ended before its plan was done, and why if that is known; empty for a finished run."""
    text = ENDINGS.get(run.state, "")
    if run.state is RunState.ABORTED and run.outcome.reason:
        text += f" Limit: {run.outcome.reason}."
    return text


def goodput(found: Goodput) -> str:
    """The share of requests within the limit, with its interval, in percent."""
    return f"{text.interval(found.share, 100)}% within {found.limit_ms:g} ms"


def claim(summary: Summary) -> Badge:
    """The verdict as a badge."""
    if summary.verdict is None or limits(summary.run):
        return NO_CLAIM
    return OUTCOMES[summary.verdict.outcome]


def latency_name(summary: Summary) -> str:
    """The name of the latency that a run measures, which says when the clock starts."""
    return "response time" if summary.is_open_loop else "service time"


def bounds(figure: Figure) -> str:
    """The 95% interval of a figure in ms, or a note that it has none."""
    return text.bounds(figure, write=duration) or ("no interval: too few" if figure.n else "not measured")


def value(figure: Figure) -> str:
    """A figure in ms, or a dash if nothing was measured."""
    return duration(figure.value) if figure.n else NOTHING


def percentiles(summary: Summary) -> list[dict[str, Any]]:
    """Every latency figure with its interval in ms and its n, one row each."""
    rows = []
    for one in summary.endpoints:
        for what, figures in (("response", one.response_ms), ("service", one.service_ms), ("server", one.server_ms)):
            rows += [
                _row(one.name, f"{what} {name}", figure)
                for name, figure in zip(PERCENTILES, figures, strict=bool(figures))
                if figure.n
            ]
    return rows


def fairness(run: Run) -> list[tuple[str, tuple[str, ...], str]]:
    """The conditions of all endpoints: the name, the values, and whether they are equal."""
    known = run.manifest.facts
    if not any(known):
        return []
    rows = []
    for one in conditions(known):
        values = tuple("unknown" if value is None else value for value in one.values)
        rows.append((one.name, values, one.comparison))
    return rows


def _row(endpoint: str, name: str, figure: Figure) -> dict[str, Any]:
    def rounded(number: float | None) -> float | None:
        return None if number is None else round(number, 3)

    return {
        "endpoint": endpoint,
        "figure": name,
        "value (ms)": rounded(figure.value),
        "95% from (ms)": rounded(figure.low),
        "95% to (ms)": rounded(figure.high),
        "n": figure.n,
    }
