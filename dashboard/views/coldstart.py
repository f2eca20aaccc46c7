"""The Cold start page: start a run of cold starts, follow it, and see what it says of new instances.

The run is a process of its own; the page knows it by the `run` of its address, so that a refresh loses nothing.
"""

import os
import sys
from collections.abc import Mapping

import streamlit as st

from benchmark.coldstart_plan import KIND, ColdPlan, gap_text, parse_gaps
from benchmark.plan import PlanError
from benchmark.run import Run, RunState, new_run_id
from benchmark.store import StoreError, UnknownRun
from dashboard import launch, resources, words
from dashboard.settings import Settings

LOCAL, LADDER, FORCED = _MODES = ("Local programs", "Idle ladder", "Forced")
_EVERY_S = 1.0
_CHARTS_EVERY_S = 5.0
_SPAWN_S = 1.5
"""About what starting, asking and stopping one program takes, to say how long a run will be."""
_EXPLAINED = {
    LOCAL: "Starts both programs on this machine again and again, in random order, and times each from its spawn to "
    "its first answer.",
    LADDER: "Leaves both endpoints alone for each gap, then asks once: was an instance still there? Longer gaps need "
    "patience; the run goes on when this page is closed.",
    FORCED: "Runs a command before each sample that makes the platform start a new instance. This is not scaling from "
    "zero, and is marked so.",
}
_STATES = {
    RunState.RUNNING: (":material/hourglass_top:", "blue", "Running"),
    RunState.FINISHED: (":material/check:", "green", "Finished"),
    RunState.CANCELLED: (":material/stop_circle:", "orange", "Cancelled"),
    RunState.FAILED: (":material/close:", "red", "Failed"),
    RunState.LOST: (":material/help:", "orange", "Cut off"),
}


def page() -> None:
    st.markdown(
        "#### Cold start\n"
        ":gray[:small[How long the first answer of a new instance takes, where that time goes, and after which idle "
        "gap there is no instance left.]]"
    )
    try:
        busy = launch.running(resources.store())
        _controls(busy)
        _chosen()
    except StoreError as error:
        st.error(words.plain(f"The record cannot be used: {error}."), icon=":material/error:")


# --- Starting a run


def _controls(busy: str | None) -> None:
    settings = resources.settings()
    with st.container(border=True, key="inputs"):
        mode = (
            st.segmented_control(
                "How a new instance comes about",
                _MODES,
                default=LOCAL,
                required=True,
                key="cold_mode",
                label_visibility="collapsed",
            )
            or LOCAL
        )
        st.caption(_EXPLAINED[mode])
        with st.container(horizontal=True, vertical_alignment="bottom", key="coldgo"):
            gaps = ""
            if mode == LADDER:
                gaps = st.text_input("Idle gaps", "1m, 5m, 15m, 30m", key="cold_gaps", width=220)
            repeats = st.number_input(
                "Probes a gap" if mode == LADDER else "Cold starts each",
                min_value=1,
                max_value=1000,
                value=5 if mode == LADDER else 20,
                key=f"cold_repeats_{_MODES.index(mode)}",
                width=150,
            )
            plan, problem = _plan(mode, int(repeats), gaps, settings)
            st.button(
                "Start",
                type="primary",
                icon=":material/play_arrow:",
                key="cold_start",
                disabled=plan is None or busy is not None,
                on_click=_start,
                args=(mode, int(repeats), gaps),
            )
        if problem:
            st.caption(f":material/info: {problem}")
        elif busy:
            st.caption(f":material/info: Run {busy} goes on; two at once would measure each other.")
        elif plan:
            st.caption(_effort(plan, settings))


def _plan(mode: str, repeats: int, gaps: str, settings: Settings) -> tuple[ColdPlan | None, str | None]:
    """What would be done, or in a sentence why it cannot."""
    if mode == FORCED and not settings.force_command:
        return None, (
            "Set FORCE_COMMAND for the dashboard to the command that forces a new instance, for example "
            "`gcloud run services update NAME-$FORCE_ENDPOINT --update-env-vars COLD=$FORCE_ID`. It is never taken "
            "from a page, since a shell runs it."
        )
    try:
        if mode == LADDER:
            return ColdPlan("ladder", repeats, parse_gaps(gaps)), None
        return ColdPlan("spawn" if mode == LOCAL else "forced", repeats), None
    except PlanError as error:
        return None, words.plain(f"{str(error)[:1].upper()}{str(error)[1:]}.")


def _effort(plan: ColdPlan, settings: Settings) -> str:
    requests = 2 * plan.probes * (1 + plan.warm_requests)
    if plan.mode == "spawn":
        return f"About {gap_text(2 * plan.probes * _SPAWN_S)}, {requests:,} requests on this machine."
    names = words.plain(" and ".join(endpoint.address for endpoint in settings.endpoints))
    wait = f"At least {gap_text(plan.waits_s)}" if plan.waits_s else "A deployment for each sample"
    return f"{wait}, {requests:,} requests in all to {names}."


def _start(mode: str, repeats: int, gaps: str) -> None:
    settings = resources.settings()
    run_id = new_run_id()
    command = [sys.executable, "-m", "benchmark", "coldstart", "--run-id", run_id, "--progress", "none"]
    command += ["--repeats", str(repeats)]
    if mode != LOCAL:
        for endpoint in settings.endpoints:
            command += ["--endpoint", f"{endpoint.key}={endpoint.url}", "--allow-host", endpoint.host]
        command += ["--idle", gaps] if mode == LADDER else ["--force"]
    _launch(command, run_id)


def _resume(run: Run) -> None:
    command = [sys.executable, "-m", "benchmark", "coldstart", "--resume", run.id, "--progress", "none"]
    if run.manifest["plan"]["mode"] == "forced":
        command.append("--force")
    _launch(command, run.id)


def _launch(command: list[str], run_id: str) -> None:
    try:
        launch.start(command, run_id, _environ(resources.settings(), os.environ))
    except OSError as error:
        st.toast(words.plain(f"The run cannot be started: {error.strerror}."), icon=":material/error:")
        return
    st.query_params["run"] = run_id


def _environ(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """The dashboard's own environment, with what it has by default said aloud."""
    names = {f"{endpoint.key.upper()}_NAME": endpoint.name for endpoint in settings.endpoints}
    return {
        **environ,
        **names,
        "RESULTS_DIR": str(settings.results_dir),
        "MODEL_DIR": str(settings.model_dir),
        "PYTHONWARNINGS": "",
    }


# --- The run that the address names


def _chosen() -> None:
    store = resources.store()
    run_id = st.query_params.get("run", "")
    if not run_id:
        earlier = [run for run in store.runs(200) if run.kind == KIND]
        _earlier(earlier, None)
        if not earlier:
            st.info(
                "No cold start has been measured yet. Local programs need no cloud account and about a minute.",
                icon=":material/info:",
            )
        return
    try:
        run = store.run(run_id) if launch.is_run_id(run_id) else None
    except UnknownRun:
        run = None
    if run is None or (run.is_over and launch.is_alive(run.id)):
        _not_there_yet(run_id)
    elif run.kind != KIND:
        st.info(f"Run {run.id} is no run of cold starts.")
    else:
        _run(run)


def _not_there_yet(run_id: str) -> None:
    """A process that has just been started, or one that never got as far as a record."""
    if launch.is_run_id(run_id) and launch.is_alive(run_id):
        _starting(run_id)
        return
    said = launch.last_words(run_id, resources.settings().results_dir) if launch.is_run_id(run_id) else None
    if said:
        st.error(words.plain(f"The run did not start: {said}"), icon=":material/error:")
    else:
        st.info("There is no run of this id in the record.", icon=":material/info:")
    _earlier([run for run in resources.store().runs(200) if run.kind == KIND], None)


@st.fragment(run_every=_EVERY_S)
def _starting(run_id: str) -> None:
    try:
        there = not resources.store().run(run_id).is_over
    except UnknownRun:
        there = False
    if there or not launch.is_alive(run_id):
        st.rerun()
    with st.container(border=True, key="progress"):
        st.progress(0.0, text="Starting: asking what is served, with one start that is not measured")


def _run(run: Run) -> None:
    icon, color, text = _STATES[run.state]
    with st.container(horizontal=True, vertical_alignment="center", key="runhead"):
        st.badge(text, icon=icon, color=color)  # type: ignore[arg-type]  # the colours of the table above
        st.markdown(f"Run {run.id}, {run.started_at_utc[:16].replace('T', ' ')} UTC", width="content")
        if run.state is RunState.RUNNING:
            st.button("Cancel", icon=":material/stop:", key="cold_cancel", on_click=_cancel, args=(run.id,))
        elif run.state is not RunState.FINISHED:
            st.button("Resume", icon=":material/resume:", key="cold_resume", on_click=_resume, args=(run,))
        _earlier([one for one in resources.store().runs(200) if one.kind == KIND], run.id)
    if run.state is RunState.RUNNING:
        _progress(run.id)
    elif reason := run.outcome.get("reason"):
        st.warning(words.plain(f"It ended early: {reason}."), icon=":material/warning:")
    if not run.progress.get("done"):
        st.caption("Figures appear here with the first probe.")
        return
    st.fragment(_results, run_every=_CHARTS_EVERY_S if run.state is RunState.RUNNING else None)(run.id)


def _cancel(run_id: str) -> None:
    try:
        launch.cancel(resources.store(), run_id)
    except StoreError as error:
        st.toast(words.plain(f"The run cannot be cancelled: {error}."), icon=":material/error:")


@st.fragment(run_every=_EVERY_S)
def _progress(run_id: str) -> None:
    run = resources.store().run(run_id)
    done, total = int(run.progress.get("done", 0)), int(run.progress.get("total", 0) or 1)
    known = st.session_state.setdefault("cold_seen", {})
    if run.is_over or (done and not known.get(run_id)):  # its end, or its first figures
        known[run_id] = True
        st.rerun()
    with st.container(border=True, key="progress"):
        phase = words.plain(str(run.progress.get("phase", "starting")))
        st.progress(min(1.0, done / total), text=f"{done} of {total} probes, {phase}")


def _earlier(runs: list[Run], shown: str | None) -> None:
    others = [run for run in runs if run.id != shown]
    if not others:
        return

    def show() -> None:
        chosen = st.session_state.cold_earlier
        if chosen:
            st.query_params["run"] = chosen
            st.session_state.cold_earlier = None

    titles = {run.id: f"{run.started_at_utc[:16].replace('T', ' ')}, {_title(run)}" for run in others}
    st.selectbox(
        "Earlier runs",
        list(titles),
        index=None,
        format_func=lambda run_id: titles[run_id],
        placeholder="Earlier runs",
        key="cold_earlier",
        on_change=show,
        label_visibility="collapsed",
        width=300,
    )


def _title(run: Run) -> str:
    plan = run.manifest["plan"]
    kind = {"spawn": LOCAL, "ladder": LADDER, "forced": FORCED}.get(plan.get("mode"), "")
    return f"{kind.lower()}, {run.id}"


def _results(run_id: str) -> None:
    # Imported here: drawing costs most of a second to import, which no other page should pay.
    from dashboard.views.coldstart_panels import results

    results(run_id)
