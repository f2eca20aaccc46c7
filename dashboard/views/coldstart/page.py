"""The Cold start page: start a run of cold starts, follow it, and read its report.

Another process carries out the run. The page shows the run that `?run=ID` names, so a refresh loses nothing.
"""

import streamlit as st

from benchmark.coldstart import local
from benchmark.coldstart.plan import ColdPlan, ForcedPlan, IdleSweepPlan, SpawnPlan, gap_text, parse_gaps
from benchmark.coldstart.program import ProgramError
from benchmark.launch import LaunchError
from benchmark.record.plan import PlanError
from benchmark.record.run import Run, RunState
from benchmark.record.store import StoreError
from benchmark.statistics.text import listed
from dashboard import resources
from dashboard.components import markup, run_text
from dashboard.components.following import find, follow, show_finished, why_missing
from dashboard.components.run_actions import run_link, wait_for_end
from dashboard.pages import page_of_run
from dashboard.settings import Settings

LOCAL, SWEEP, FORCED = _MODES = ("Local programs", "Idle sweep", "Forced")
_CHARTS_EVERY_S = 5.0
_LATEST = 5
_LOOK_BACK = 200
_SPAWN_S = 1.5
"""Roughly how long it takes to start, call and stop one program, to estimate the duration of a run."""
_EXPLAINED = {
    LOCAL: "Starts the API and the function on this machine repeatedly, in random order. Times each start from its "
    "spawn to its first answer.",
    SWEEP: "Waits for each idle gap, then sends one request to see whether the instance is still there. Long gaps take "
    "time. The run continues when you close this page.",
    FORCED: "Before each sample, runs a command that makes the platform start a new instance. The results are marked, "
    "because a forced start is not the same as scaling from zero.",
}


def page() -> None:
    st.markdown(
        "#### Cold start\n"
        ":gray[:small[How long the first answer of a new instance takes, where the time goes, and how long an idle "
        "instance stays.]]"
    )
    try:
        if resources.settings().read_only:
            st.caption(f"{markup.READ_ONLY}: you can open runs, but not start them.")
        else:
            _controls(resources.launcher().running())
        _chosen()
    except StoreError as error:
        st.error(markup.plain(f"The record cannot be read: {error}."), icon=":material/error:")


# --- Starting a run


def _controls(busy: str | None) -> None:
    settings = resources.settings()
    offered = _offered()
    with st.container(border=True, key="inputs"):
        mode = offered[0]
        if len(offered) > 1:
            mode = (
                st.segmented_control(
                    "How new instances start",
                    offered,
                    default=mode,
                    required=True,
                    key="cold_mode",
                    label_visibility="collapsed",
                )
                or mode
            )
        st.caption(_EXPLAINED[mode])
        with st.container(horizontal=True, vertical_alignment="bottom", key="coldgo"):
            gaps = ""
            if mode == SWEEP:
                gaps = st.text_input("Idle gaps", "1m, 5m, 15m, 30m", key="cold_gaps", width=220)
            repeats = st.number_input(
                "Probes per gap" if mode == SWEEP else "Cold starts per endpoint",
                min_value=1,
                max_value=1000,
                value=5 if mode == SWEEP else 20,
                key=f"cold_repeats_{_MODES.index(mode)}",
                width=190,
            )
            plan, problem = _plan(mode, int(repeats), gaps, settings)
            st.button(
                "Start",
                type="primary",
                icon=":material/play_arrow:",
                key="cold_start",
                disabled=plan is None or busy is not None,
                on_click=_start,
                args=(plan,),
            )
        if problem:
            st.caption(f":material/info: {problem}")
        elif busy:
            st.caption(
                f":material/info: Run {busy} is in progress. Runs would disturb each other, so only one can run at a "
                "time."
            )
            wait_for_end(busy)
        elif plan:
            st.caption(_effort(plan, settings))


def _offered() -> tuple[str, ...]:
    """The ways to start new instances that work here; none on a read-only dashboard.

    The image of the dashboard does not contain the programs, and has a command only if FORCE_COMMAND is set.
    """
    settings, here = resources.settings(), local.are_here()
    possible = {LOCAL: here, SWEEP: True, FORCED: here or settings.force_command is not None}
    return tuple(mode for mode in _MODES if possible[mode] and not settings.read_only)


def _plan(mode: str, repeats: int, gaps: str, settings: Settings) -> tuple[ColdPlan | None, str | None]:
    """The plan, or one sentence on why there is none."""
    if mode == FORCED and not settings.force_command:
        return None, (
            "Set the dashboard's FORCE_COMMAND to a command that forces a new instance, for example "
            "`gcloud run services update NAME-$FORCE_ENDPOINT --update-env-vars COLD=$FORCE_ID`. A page cannot set it, "
            "because a shell runs it."
        )
    try:
        if mode == SWEEP:
            return IdleSweepPlan(repeats, parse_gaps(gaps)), None
        if mode == LOCAL:
            local.require_directories(local.programs())
        return SpawnPlan(repeats) if mode == LOCAL else ForcedPlan(repeats), None
    except (PlanError, ProgramError) as error:
        return None, markup.plain(markup.sentence(str(error)))


def _effort(plan: ColdPlan, settings: Settings) -> str:
    """How long a run takes and what it sends, as Markdown."""
    spawned = isinstance(plan, SpawnPlan)
    measured = len(local.programs()) if spawned else len(settings.endpoints)
    requests = markup.count(measured * plan.probes * (1 + plan.warm_requests))
    if spawned:
        return f"About {gap_text(measured * plan.probes * _SPAWN_S)}, {requests} requests on this machine."
    names = markup.plain(listed(endpoint.address for endpoint in settings.endpoints))
    wait = f"At least {gap_text(plan.waits_s)}" if isinstance(plan, IdleSweepPlan) else "One deployment per sample"
    return f"{wait}, {requests} requests in total to {names}."


def _start(plan: ColdPlan) -> None:
    try:
        st.query_params["run"] = resources.launcher().start(plan, resources.settings().endpoints, user=resources.user())
    except LaunchError as error:
        st.toast(markup.plain(f"Not started: {error}."), icon=":material/error:")


def _resume(run: Run) -> None:
    try:
        resources.launcher().resume(run, resources.settings().endpoints)
    except (LaunchError, PlanError) as error:
        st.toast(markup.plain(f"Not resumed: {error}."), icon=":material/error:")


# --- The run in the address


def _chosen() -> None:
    run_id = st.query_params.get("run", "")
    if not run_id:
        if earlier := _recorded():
            st.markdown("**Latest runs**")
            for one in earlier[:_LATEST]:
                run_link(one, f"{run_text.headline(one)} · {_mode(one).lower()}")
        else:
            how = " Local programs need no cloud account and take about a minute." if LOCAL in _offered() else ""
            st.info(f"No cold starts measured yet.{how}", icon=":material/info:")
        return
    run = find(run_id)
    if run is None:
        if resources.launcher().is_alive(run_id):
            follow(run_id, _CHARTS_EVERY_S)
        else:
            why_missing(run_id)
            _earlier(None)
    elif not _is_mine(run):
        st.info(f"Run {run.id} did not measure cold starts. Open it on its page:", icon=":material/info:")
        run_link(run, run_text.headline(run))
    elif run.is_over:
        _finished(run)
    else:
        _earlier(run.id)
        follow(run_id, _CHARTS_EVERY_S)


def _finished(run: Run) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="runhead"):
        st.markdown(
            f"**{markup.plain(run_text.title(run))}** {run_text.badges(run)} "
            f":gray[:small[{markup.plain(f'{_mode(run)} · {run_text.started(run)}')}]]",
            width="content",
        )
        if run.state is not RunState.FINISHED and not run.is_imported and not resources.settings().read_only:
            st.button("Resume", icon=":material/resume:", key="cold_resume", on_click=_resume, args=(run,))
        _earlier(run.id)
    if said := resources.launcher().problem(run.id):  # resumed from this page, without success
        st.error(markup.plain(f"It ended early: {said}"), icon=":material/error:")
    elif reason := run.outcome.reason:
        st.warning(markup.plain(f"It ended early: {reason}."), icon=":material/warning:")
    show_finished(run)


def _recorded() -> list[Run]:
    """The newest runs of cold starts. Raises StoreError."""
    return [run for run in resources.store().runs(_LOOK_BACK) if _is_mine(run)]


def _is_mine(run: Run) -> bool:
    return page_of_run(run.kind).url_path == "coldstart"


def _earlier(shown: str | None) -> None:
    others = [run for run in _recorded() if run.id != shown]
    if not others:
        return

    def show() -> None:
        chosen = st.session_state.cold_earlier
        if chosen:
            st.query_params["run"] = chosen
            st.session_state.cold_earlier = None

    titles = {run.id: f"{run_text.title(run)}, {_mode(run).lower()}, {run_text.started(run)}" for run in others}
    st.selectbox(
        "Earlier runs",
        list(titles),
        index=None,
        format_func=lambda run_id: titles[run_id],
        placeholder="Earlier runs",
        key="cold_earlier",
        on_change=show,
        label_visibility="collapsed",
        width=460,
    )


def _mode(run: Run) -> str:
    modes = {"spawn": LOCAL, "ladder": SWEEP, "forced": FORCED}
    return modes.get(str(run.manifest.plan.get("mode")), "Unknown")
