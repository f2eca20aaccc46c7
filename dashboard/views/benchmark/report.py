"""The report of a run, in its own module so that Plotly is imported only to draw.

Every figure comes from `benchmark.summary.summarise`, which the command line also uses.
"""

import json
from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from benchmark.decision.gather import UNREADABLE
from benchmark.record.plan import ComparePlan, OpenPlan
from benchmark.record.recording import load_samples
from benchmark.record.run import Run
from benchmark.record.samples import Samples, empty, join
from benchmark.record.store import Store, StoreError
from benchmark.reports.export import percentile_log, run_to_document, samples_to_csv
from benchmark.statistics.percentiles import PERCENTILES
from benchmark.statistics.text import interval, listed
from benchmark.summary.printing import changed_text, generator, stages_table
from benchmark.summary.summarise import Figures, Summary, summarise
from benchmark.synthetic.demo import DEMO, simulate_run
from dashboard import resources
from dashboard.components import markup, reports
from dashboard.components import run_text as say
from dashboard.components.grid import cells
from dashboard.components.pairs import pairs_table
from dashboard.components.panels import panel, plot
from dashboard.components.reports import Report
from dashboard.views.benchmark import charts as draw

_PAIRS_BESIDE = 3
"""With up to this many pairs, the table is as high as the chart beside it."""
_LIVE = "live-samples"
"""The samples so far of the run in progress: its id, its samples and the number of the last chunk."""


def finished(store: Store, run: Run) -> None:
    """The report of a recorded run, or why it cannot be read."""
    st.session_state.pop(_LIVE, None)
    try:
        found = reports.read(store, run)
    except UNREADABLE as error:
        st.error(markup.plain(f"Run {run.id} cannot be read: {error}"), icon=":material/broken_image:")
        return
    report(found)


@st.cache_resource(show_spinner="Simulating")
def demo() -> Report:
    """A simulated run that is not recorded."""
    run, samples = simulate_run(DEMO, ComparePlan(pairs=500))
    return Report(samples, summarise(run, samples))


def live(store: Store, run: Run) -> None:
    """The samples of a run in progress; of several workers their live view, which is small at any rate."""
    if seconds := run.progress.get("live"):
        panel(
            "time",
            "Latency in the last seconds",
            lambda: draw.latency_by_second(seconds, run, resources.palette()),
            f"Median and p95 of the latency in milliseconds by second, for {listed(run.endpoint_names)}.",
            lambda: draw.second_table(seconds, run),
        )
        return
    known: tuple[str, Samples, int] = st.session_state.get(_LIVE, ("", empty(), 0))
    if known[0] != run.id:
        known = (run.id, empty(), 0)
    try:
        fresh, last = load_samples(store, run.id, known[2])
    except (StoreError, ValueError) as error:
        st.caption(markup.plain(f"The samples cannot be read right now: {error}"))
        return
    samples = join([known[1], fresh])
    # Kept, so that each update reads only new samples. A refresh of the page reads all of them.
    st.session_state[_LIVE] = (run.id, samples, last)
    data = draw.sides(run, samples)
    plan = run.plan
    span_s = (plan.duration_s or None) if isinstance(plan, OpenPlan) else None
    counts = listed(one.label for one in data)
    panel(
        "time",
        "Latency so far",
        lambda: draw.latency_over_time(data, resources.palette(), span_s=span_s),
        f"Latency in milliseconds of each request over time in seconds, for {counts}.",
        lambda: draw.time_table(data),
    )


def report(found: Report) -> None:
    """A whole run: warnings, errors, verdict, figures, charts, conditions and exports."""
    run, summary = found.run, found.summary
    head(found)
    if ending := say.ending(run):
        st.warning(markup.plain(ending), icon=say.STATES[run.state].icon)
    if limited := say.limited(run):
        st.warning(markup.plain(limited), icon=":material/speed:")
    _errors(summary)
    _verdict(summary)
    _figures(summary)
    _stages(summary)
    _workers(summary)
    if any(one.attempts or one.warmup for one in summary.endpoints):
        _charts(found)
    _conditions(found)


def head(found: Report) -> None:
    """The title of a run, and its export."""
    run = found.run
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="run-head"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
            st.markdown(
                f"**{markup.plain(say.title(run))}** {say.badges(run)} "
                f":gray[:small[{markup.plain(say.plan(run))} · {markup.plain(say.started(run))}]]",
                width="content",
            )
        with st.popover("Export", icon=":material/download:", type="tertiary", key="export"):
            export_buttons(run, lambda: found.samples)


def export_buttons(run: Run, samples: Callable[[], Samples]) -> None:
    """The raw data in the formats of the command line."""
    stem = f"faceoff-{run.id}"
    st.download_button(
        "Requests (CSV)",
        lambda: samples_to_csv(run, samples()),
        f"{stem}.csv",
        "text/csv",
        on_click="ignore",
        key=f"csv-{run.id}",
        width="stretch",
    )
    st.download_button(
        "Whole run (JSON)",
        lambda: json.dumps(run_to_document(run, samples())),
        f"{stem}.json",
        "application/json",
        on_click="ignore",
        key=f"json-{run.id}",
        width="stretch",
        help="The whole run, to import on the Runs page.",
    )
    for position, (key, name) in enumerate(zip(run.endpoint_keys, run.endpoint_names, strict=True)):
        st.download_button(
            markup.plain(f"{name} (hgrm)"),
            partial(_percentiles, run, samples, position),
            f"{stem}-{key}.hgrm",
            "text/plain",
            on_click="ignore",
            key=f"hgrm-{run.id}-{key}",
            width="stretch",
            help="Percentiles for the HdrHistogram plotter.",
        )


def _percentiles(run: Run, samples: Callable[[], Samples], position: int) -> str:
    return percentile_log(run, samples(), position)


def _errors(summary: Summary) -> None:
    failed = [one for one in summary.endpoints if one.failed]
    if not failed:
        return
    lines = []
    for one in failed:
        kinds = ", ".join(
            f"{markup.count(line.count)} {line.failure.value.replace('_', ' ')}"
            + (f" ({line.detail})" if line.detail else "")
            for line in one.ledger
        )
        share = one.availability
        available = f"{100 * share.value:.4g}% available"
        if share.low is not None and share.high is not None:
            available += f" (95% {100 * share.low:.4g} to {100 * share.high:.4g}%)"
        lines.append(
            f"**{markup.plain(one.name)}** failed {markup.count(one.failed)} of {markup.count(one.attempts)} requests: "
            f"{markup.plain(kinds)}. {available}."
        )
    st.error("  \n".join(lines), icon=":material/error:")


def _verdict(summary: Summary) -> None:
    verdict = summary.verdict
    if verdict is None:
        return
    pairs = verdict.pairs
    known = draw.known_differences(summary)
    said = f"{say.claim(summary).markdown} {markup.plain(verdict.sentence)}"
    counts = sorted({pair.effect.n for pair in pairs})
    n = f"n = {counts[0]}" if len(counts) == 1 else f"n = {counts[0]} to {counts[-1]}"
    conditions = markup.plain(" · ".join((n, verdict.state.text, *verdict.conditions)))
    with st.container(border=True, key="verdict"):
        if len(pairs) > 1:
            st.markdown(said, help=markup.plain(verdict.rule))
            st.caption(conditions)
        side_by_side = known and len(pairs) <= _PAIRS_BESIDE
        left, right = (
            st.columns([1.25, 1], gap="medium", vertical_alignment="center")
            if side_by_side
            else (st.container(), st.container())
        )
        with left:
            if len(pairs) > 1:
                st.markdown(pairs_table(pairs, [one.name for one in summary.endpoints]))
            else:
                st.markdown(said, help=markup.plain(verdict.rule))
                st.caption(conditions)
        if known:
            spoken = "; ".join(f"{name} in ms: {interval(one)}" for name, one in known)
            with right:
                plot(
                    "difference",
                    draw.differences(summary, resources.palette()),
                    f"Differences with their intervals and the margin of {verdict.margin_ms:.3g} ms: {spoken}.",
                )


def _figures(summary: Summary) -> None:
    keys = [one.key for one in summary.endpoints]
    resources.show_edges(keys)
    for cell, one in zip(cells(len(keys)), summary.endpoints, strict=True):
        with cell, st.container(border=True, key=f"card-{one.key}", height="stretch"):
            _card(one, say.latency_name(summary), not isinstance(summary.plan, ComparePlan))


def _stages(summary: Summary) -> None:
    """Each stage of a load with its rate, errors and percentiles."""
    if not any(one.stages for one in summary.endpoints):
        return
    heads, lines = stages_table(summary.endpoints)
    with st.container(border=True, key="stages"):
        st.markdown("**Stages**")
        st.caption(
            "Each row has the requests that were due in this stage. A figure without an interval has too few for one."
        )
        rows = [[markup.plain(label), *map(markup.plain, texts)] for label, texts in lines]
        st.markdown(markup.markdown_table(["stage", *map(markup.plain, heads)], rows))


def _workers(summary: Summary) -> None:
    """What each of several workers sent and saw."""
    if not summary.workers:
        return
    shown = summary.workers[: draw.WORKERS_SHOWN]
    names = [one.name for one in summary.endpoints]
    heads = ["worker", "requests", "lost", *(f"{name} p50 / p95 (ms)" for name in names)]
    rows = [
        [
            f"{markup.plain(one.name)}{' :orange[**limited**]' if one.limited else ''}",
            markup.count(one.sent),
            f":red[**{markup.count(one.lost)}**]" if one.lost else "0",
            *(f"{say.value(found[0])} / {say.value(found[1])}" for found in one.latency_ms),
        ]
        for one in shown
    ]
    with st.container(border=True, key="workers"):
        st.markdown("**Workers**")
        more = len(summary.workers) - len(shown)
        said = ["Each worker sent a share of the requests."]
        if summary.verdict:
            said.append("The interval of the verdict includes the differences between workers.")
        if more:
            said.append(f"Not shown here, but in the export: {markup.counted(more, 'worker')}.")
        st.caption(" ".join(said))
        st.markdown(markup.markdown_table(list(map(markup.plain, heads)), rows))
        for one in summary.workers:
            if one.problem:
                st.caption(f":red[{markup.plain(f'Worker {one.name} was lost: {one.problem}.')}]")
    if any(found[0].n for one in shown for found in one.latency_ms):
        panel(
            "workers",
            "What each worker saw",
            lambda: draw.vantages(summary, resources.palette()),
            f"Median and p95 of the latency in milliseconds at each of {len(shown)} workers, for {listed(names)}.",
            lambda: draw.vantage_table(summary),
        )


def _card(one: Figures, latency: str, loaded: bool) -> None:
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key=f"heading-{one.key}"
    ):
        st.markdown(f"**{markup.plain(one.name)}**", width="content")
        st.markdown(f":gray[:small[{latency}, n = {markup.count(one.n)}, {one.state.text}]]", width="content")
    with st.container(horizontal=True, key=f"metrics-{one.key}"):
        for name, figure in zip(PERCENTILES, one.latency_ms, strict=True):
            with st.container(gap=None):
                st.metric(f"{name} (ms)", say.value(figure))
                st.caption(f":small[{say.bounds(figure)}]")
    if one.goodput:
        st.caption(markup.plain(f"Goodput {say.goodput(one.goodput)}"))
    server = f"server p50 {say.value(one.server_ms[0])} ms" if one.server_ms[0].n else "server time not given"
    parts = [server, f"{markup.count(one.warmup)} warm-up"]
    if loaded:
        parts.insert(0, f"{one.rate:.3g} answered/s")
    if one.response_ms:
        parts.insert(1, f"service p50 {say.value(one.service_ms[0])} ms")
    if one.cold_ms:
        parts.append(f"{len(one.cold_ms)} cold start{'s' if len(one.cold_ms) > 1 else ''}")
    if one.queued_ms:
        parts.append(f"{markup.count(len(one.queued_ms))} queued for a start")
    parts.append(f"{one.instances or 'unknown'} instance{'' if one.instances == 1 else 's'}")
    st.caption(markup.plain(" · ".join(parts)))
    if one.correctness:
        st.caption(markup.plain(f"Answers changed under load: {changed_text(one.correctness)}"))


def _charts(found: Report) -> None:
    summary = found.summary
    colors = resources.palette()
    data = draw.sides(found.run, found.samples)
    overhead_ms = found.run.outcome.generator.get("floor_ms")
    counts = listed(one.label for one in data)
    latency = say.latency_name(summary).capitalize()
    panel(
        "time",
        f"{latency} over time",
        lambda: draw.latency_over_time(data, colors, overhead_ms),
        f"{latency} in milliseconds of each request over time in seconds, for {counts}.",
        lambda: draw.time_table(data),
    )
    if thinned := draw.drawn(data):
        st.caption(thinned)
    if not any(one.n for one in summary.endpoints):
        return
    panels = (
        (
            "shares",
            "Answered within",
            lambda: draw.latency_shares(data, colors, overhead_ms),
            f"Cumulative distribution of the {latency.lower()} in milliseconds, for {counts}.",
            lambda: draw.share_table(data),
        ),
        (
            "distribution",
            "Distribution",
            lambda: draw.latency_distribution(data, colors, overhead_ms),
            f"Histogram of the {latency.lower()} in milliseconds, for {counts}.",
            lambda: draw.distribution_table(data),
        ),
        (
            "tail",
            "Tail, with 95% intervals",
            lambda: draw.latency_tail(data, summary, colors),
            f"{latency} in milliseconds by percentile, as far as n allows, for {counts}.",
            lambda: say.percentiles(summary),
        ),
    )
    for column, one in zip(st.columns(len(panels), gap="medium"), panels, strict=True):
        with column:
            panel(*one)


def _conditions(found: Report) -> None:
    """Phases and the load generator, with the conditions beside or, for more than two endpoints, below them."""
    summary, run = found.summary, found.run
    left, right = st.columns(2, gap="medium")
    beside = len(summary.endpoints) <= 2
    with left:
        if any(one.n for one in summary.endpoints):
            spoken = "; ".join(
                f"{one.name}: " + ", ".join(f"{name} {median:.2f} ms" for name, median, _ in one.phases_ms if median)
                for one in summary.endpoints
            )
            panel(
                "phases",
                "Where the time goes",
                lambda: draw.phases(summary.endpoints, resources.palette()),
                f"Median of each phase of a request: {spoken}.",
                lambda: draw.phase_table(summary.endpoints),
            )
    with (
        left if beside else right,
        st.container(border=True, key="chart-generator", height="content" if beside else "stretch"),
    ):
        st.markdown("**Load generator**")
        st.caption(markup.plain(generator(run)))
    with (
        right if beside else st.container(),
        st.container(border=True, key="chart-fairness", height="stretch" if beside else "content"),
    ):
        st.markdown("**Conditions of each endpoint**")
        _fairness(run)


def _fairness(run: Run) -> None:
    rows = say.fairness(run)
    if not rows:
        st.caption("No endpoint reports its deployment, so the conditions cannot be compared.")
        return
    if len(run.endpoint_keys) == 1:
        st.caption("What the endpoint reports about its deployment.")
    else:
        _unequal([verdict for _, _, verdict in rows])
    marks = {"equal": ":green[equal]", "differs": ":orange[**differs**]", "unknown": ":gray[unknown]"}
    names = [markup.plain(name) for name in run.endpoint_names]
    header: list[str] = ["", *names]
    body = [[markup.plain(name), *map(_shortened, values)] for name, values, _ in rows]
    if len(names) > 1:
        at = len(header) if len(names) == 2 else 1  # with many endpoints, keep the marks within the window
        header.insert(at, "")
        for line, (_, _, verdict) in zip(body, rows, strict=True):
            line.insert(at, marks[verdict])
    st.markdown(markup.markdown_table(header, body))


def _unequal(verdicts: Sequence[str]) -> None:
    """Show how many conditions are not equal for all endpoints."""
    unequal = sum(verdict != "equal" for verdict in verdicts)
    st.caption(
        f"{unequal} of {len(verdicts)} conditions differ or are unknown, so the platforms are not the only difference."
        if unequal
        else "All known conditions are equal."
    )


def _shortened(value: str) -> str:
    """The first digits of a hash; other values unchanged."""
    return markup.plain(f"{value[:8]}…" if len(value) == 64 else value)
