"""The load shapes of the Benchmark page: a steady rate, stages, a spike, or the times of a log."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from benchmark.endpoints import readable
from benchmark.engine.replay import LogError, Recording, parse_log
from benchmark.record.plan import MAX_STAGES, SPEEDS, OpenLoopPlan, OpenPlan, ReplayPlan, Segment, Stage, StagedPlan
from benchmark.runs.job import Log
from benchmark.runs.requests import span
from benchmark.summary.summarise import stages_text
from dashboard import resources
from dashboard.components import markup
from dashboard.components.panels import plot
from dashboard.views.benchmark.rate_chart import rate_over_time, recorded_rates

_MAX_RATE = 1000.0
_MAX_STAGE_S = 3600.0
_MAX_LOG_MIB = 16
"""Reading a larger log would hold up the other sessions; the command line takes it."""
_FIRST_STAGES = (Stage(30.0, 10.0), Stage(30.0, 50.0), Stage(30.0, 100.0))
_LENGTH, _RATE = "Duration (s)", "Requests/s"
_LOG_TYPES = ("json", "jsonl", "ndjson", "log", "txt")


@dataclass(frozen=True, slots=True)
class Shape:
    """A chosen load."""

    make: Callable[..., OpenPlan]
    """the plan, from its arrivals (unless it has times) and its other settings"""
    log: Log | None = None
    has_times: bool = False
    """whether the log says when each request is sent"""


def choose() -> Shape | None:
    """The controls of a load; None until a log is chosen. Raises PlanError."""
    shape = st.selectbox(
        "Load shape",
        list(_SHAPES),
        key="shape",
        bind="query-params",
        help="Steady: one rate. Stages: a rate for each part of the run. Spike: a short stage between two others. "
        "Replay: the times, and perhaps the bodies, of a log of requests.",
    )
    return _SHAPES[shape or "Steady"]()


def _steady() -> Shape:
    amount, other = st.columns(2)
    rate = amount.number_input(
        "Requests/s to each", 0.1, _MAX_RATE, 50.0, 10.0, format="%g", key="rate", bind="query-params"
    )
    duration_s = other.number_input("Duration (s)", 1, 3600, 30, 10, key="duration", bind="query-params")
    return Shape(partial(OpenLoopPlan, rate=rate, duration_s=float(duration_s)))


def _spike() -> Shape:
    def seconds(label: str, value: int, key: str) -> float:
        return float(st.number_input(label, 1, int(_MAX_STAGE_S), value, 5, key=key, bind="query-params"))

    def rate(label: str, value: float, key: str) -> float:
        return st.number_input(label, 0.1, _MAX_RATE, value, 10.0, format="%g", key=key, bind="query-params")

    left, right = st.columns(2)
    with left:
        usual = rate("Requests/s to each", 20.0, "usual-rate")
        around_s = seconds("Before and after (s)", 30, "around")
    with right:
        high = rate("Requests/s in spike", 200.0, "spike-rate")
        spike_s = seconds("Spike (s)", 5, "spike")
    return _staged((Stage(around_s, usual), Stage(spike_s, high), Stage(around_s, usual)))


def _staged(stages: tuple[Stage, ...]) -> Shape:
    plan = StagedPlan(stages)
    _preview(plan.segments, f"{stages_text(plan)}.")
    return Shape(partial(StagedPlan, stages))


def _preview(segments: Sequence[Segment], alt: str) -> None:
    plot("rate", rate_over_time(segments, resources.palette()), f"Requests per second to each endpoint: {alt}")


# --- Stages, which the address keeps


def _stages() -> Shape:
    stages = read_stages(st.query_params.get("stages", "")) or _FIRST_STAGES
    with st.container(key="stages-table", gap="xsmall"):
        for column, title in zip(st.columns(2), (_LENGTH, f"{_RATE} to each"), strict=True):
            column.caption(title)
        for number, stage in enumerate(stages):
            left, right = st.columns(2)
            for column, what, value, least, most, step in (
                (left, _LENGTH, stage.duration_s, 0.1, _MAX_STAGE_S, 10.0),
                (right, _RATE, stage.rate, 0.0, _MAX_RATE, 10.0),
            ):
                key = _stage_key(number, what)
                st.session_state[key] = value
                column.number_input(
                    f"{what} of stage {number + 1}",
                    least,
                    most,
                    step=step,
                    format="%g",
                    key=key,
                    label_visibility="collapsed",
                    on_change=_keep_changed,
                    args=(len(stages),),
                )
    with st.container(horizontal=True):
        st.button(
            "Add a stage",
            icon=":material/add:",
            type="tertiary",
            key="add-stage",
            disabled=len(stages) >= MAX_STAGES,
            on_click=_keep,
            args=((*stages, stages[-1]),),
        )
        st.button(
            "Remove the last",
            icon=":material/remove:",
            type="tertiary",
            key="remove-stage",
            disabled=len(stages) == 1,
            on_click=_keep,
            args=(stages[:-1],),
        )
    return _staged(stages)


def read_stages(text: str) -> tuple[Stage, ...]:
    """The stages of an address, such as `30:10,5:200`: s and requests/s. Without a sound one, none."""
    found = []
    for part in text[: 32 * MAX_STAGES].split(",")[:MAX_STAGES]:
        length, _, rate = part.partition(":")
        try:
            stage = Stage(float(length), float(rate))
        except ValueError:
            return ()
        if not (0.1 <= stage.duration_s <= _MAX_STAGE_S and 0 <= stage.rate <= _MAX_RATE):
            return ()
        found.append(stage)
    return tuple(found)


def _stage_key(number: int, what: str) -> str:
    return f"stage-{number}-{what}"


def _keep_changed(count: int) -> None:
    def typed(number: int, what: str) -> float:
        return float(st.session_state[_stage_key(number, what)])

    _keep([Stage(typed(number, _LENGTH), typed(number, _RATE)) for number in range(count)])


def _keep(stages: Sequence[Stage]) -> None:
    st.query_params["stages"] = ",".join(f"{stage.duration_s:g}:{stage.rate:g}" for stage in stages)


# --- A log


@dataclass(frozen=True, slots=True)
class _Read:
    """An uploaded log as the session keeps it: without its bodies, which are only needed by the run."""

    file_id: str
    recording: Recording | None
    has_bodies: bool = False
    problem: str = ""


def _replay() -> Shape | None:
    file = st.file_uploader(
        "Log of requests",
        type=_LOG_TYPES,
        max_upload_size=_MAX_LOG_MIB,
        key="log",
        help="Each of its requests goes to every endpoint. It is not recorded.",
    )
    if file is None:
        st.caption(
            "Choose a log: JSON of Cloud Logging, results or targets of vegeta as JSON, or lines such as "
            '`{"time": 12.5, "body": {...}}`.'
        )
        return None
    read = _read(file)
    recording = read.recording
    if recording is None:
        st.error(markup.plain(read.problem), icon=":material/error:")
        return None
    speed = 1.0
    if recording.times_s is not None:
        speed = st.number_input(
            "Speed (times the recorded)", *SPEEDS, 1.0, 0.5, format="%g", key="speed", bind="query-params"
        )
    with_bodies = read.has_bodies and st.toggle(
        "Send its bodies", True, key="log-bodies", help="Off: the inputs of the model card."
    )
    log = Log(recording.name, file.getvalue().decode(), with_bodies)
    notes = (
        [f"Left out, because not predictions: {markup.counted(recording.left_out, 'request')}."]
        if recording.left_out
        else []
    )
    if recording.times_s is None:
        st.caption(" ".join(["It has no times: its requests are sent in turn at this rate.", *notes]))
        return replace(_steady(), log=log)
    return _at_its_times(recording.at_speed(speed), speed, log, notes)


def _at_its_times(recording: Recording, speed: float, log: Log, notes: Sequence[str]) -> Shape:
    times_s = recording.times_s
    assert times_s is not None  # the caller has checked this  # noqa: S101
    length_s, peak = float(times_s[-1]), recording.peak_rate
    said = f"{markup.count(recording.total)} requests in {span(length_s)}, at most {peak:g} in a second."
    make: Any = partial(ReplayPlan, recording.name, recording.sha256, recording.total, length_s, peak, speed)
    make()  # refuses a log that is too long before it is drawn
    _preview(recorded_rates(times_s), said)
    st.caption(" ".join([said, *notes]))
    return Shape(make, log, has_times=True)


def _read(file: UploadedFile) -> _Read:
    """The log, read once for each upload."""
    known: _Read | None = st.session_state.get("log-read")
    if known is None or known.file_id != file.file_id:
        known = st.session_state["log-read"] = _parse(file)
    return known


def _parse(file: UploadedFile) -> _Read:
    name = readable.name(file.name, 100)
    try:
        if file.size > _MAX_LOG_MIB * 2**20:
            raise LogError(f"is larger than {_MAX_LOG_MIB} MiB: use `load --replay`")
        found = parse_log(file.getvalue(), name)
    except LogError as error:
        return _Read(file.file_id, None, problem=f"{name} {error}.")
    return _Read(file.file_id, replace(found, bodies=None), found.bodies is not None)


_SHAPES: dict[str, Callable[[], Shape | None]] = {
    "Steady": _steady,
    "Stages": _stages,
    "Spike": _spike,
    "Replay": _replay,
}
