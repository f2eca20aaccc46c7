"""A run that goes on starts and asks what is configured, and never what its record says."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.__main__ import main
from benchmark.coldstart.plan import SpawnPlan, to_document
from benchmark.coldstart.program import Command
from benchmark.coldstart.target import Target, chosen_for
from benchmark.endpoints.endpoint import Endpoint
from benchmark.record.plan import PlanError
from benchmark.record.recording import add_finished_run
from benchmark.record.run import Run, RunState
from benchmark.record.samples import Samples
from benchmark.record.store import Store
from benchmark.reports.export import run_to_document
from tests.benchmark.conftest import Serve
from tests.benchmark.forged import FORGED, reaching, touching
from tests.benchmark.little_server import serving
from tests.benchmark.metrics_text import tea_service

Resume = Callable[..., tuple[int, str]]
URL = "http://127.0.0.1:1"


@pytest.fixture
def touched(tmp_path: Path) -> Path:
    """What is not to be there."""
    return tmp_path / "touched"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


@pytest.fixture
def resume(store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Resume:
    """Resume the forged run with these options; gives the status and what was said on stderr."""
    monkeypatch.setenv("FUNCTION_DIR", str(tmp_path))

    def resume(*options: str) -> tuple[int, str]:
        rows = tmp_path / "rows.csv"
        rows.write_text("a,b\n1,2\n")
        results = ("--results", str(store.path.parent), "--progress", "none", "--body-from", str(rows))
        status = main(["coldstart", "--resume", FORGED, *results, *options])
        return status, capsys.readouterr().err

    return resume


def as_a_file(found: tuple[Run, Samples], store: Store, tmp_path: Path) -> None:
    """Take the run in the way of every file; it claims to have been measured here."""
    file = tmp_path / "run.json"
    document = run_to_document(*found) | {"imported": False, "is_imported": False}
    file.write_text(json.dumps(document))
    assert main(["import", str(file), "--results", str(store.path.parent)]) == 0


def as_a_record(found: tuple[Run, Samples], store: Store, _: Path) -> None:
    """Write it into the record itself, as whoever reaches that file can."""
    add_finished_run(store, *found)


@pytest.mark.parametrize("enter", [as_a_file, as_a_record])
@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--command", "api=true", "--command", "function=true"),
        ("--endpoint", f"api={URL}", "--endpoint", f"function={URL}"),
        ("--force", "true"),
    ],
)
def test_a_forged_command_is_never_run(
    store: Store,
    resume: Resume,
    touched: Path,
    tmp_path: Path,
    enter: Callable[..., None],
    options: tuple[str, ...],
) -> None:
    enter(touching(touched), store, tmp_path)
    before = store.run(FORGED)
    status, said = resume(*options)
    assert (status, len(said.splitlines())) == (2, 1)
    assert ("was imported" in said) == before.is_imported
    assert not touched.exists()
    assert store.run(FORGED) == before


@pytest.mark.parametrize("enter", [as_a_file, as_a_record])
def test_a_forged_address_is_never_asked(
    store: Store, resume: Resume, serve: Serve, tmp_path: Path, enter: Callable[..., None]
) -> None:
    meant, configured = serve(serving(tea_service())), serve(serving(tea_service()))
    enter(reaching(meant.url), store, tmp_path)
    for options in ((), ("--endpoint", f"api={configured.url}", "--endpoint", f"function={configured.url}")):
        status, said = resume(*options, "--allow-host", "127.0.0.1")
        assert (status, len(said.splitlines())) == (2, 1)
    assert (meant.requests, configured.requests) == ([], [])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ((), "give --endpoint again"),
        (("--endpoint", f"api={URL}", "--endpoint", f"function={URL}", "--force", "true"), "does not use --force"),
        (("--endpoint", f"api={URL}", "--command", "api=true"), "does not use --command"),
        (("--endpoint", f"api={URL}", "--drop-caches"), "does not use --drop-caches"),
        (("--endpoint", f"api={URL}"), "give --endpoint as when it was started"),
        (("--endpoint", f"api={URL}/else", "--endpoint", f"function={URL}"), "give --endpoint as when it was started"),
        (("--idle", "1m"), "leave out --idle"),
    ],
)
def test_what_does_not_fit_the_plan_is_refused_in_a_line(
    store: Store, resume: Resume, options: tuple[str, ...], reason: str
) -> None:
    add_finished_run(store, *reaching(URL))
    status, said = resume(*options)
    assert (status, len(said.splitlines()), reason in said) == (2, 1, True), said


@pytest.mark.parametrize("plan", [None, {}, {"kind": "compare"}, {"kind": "coldstart", "mode": "anything"}])
@pytest.mark.parametrize("endpoints", [None, [{}], ["api"]])
def test_a_record_that_makes_no_sense_is_refused_in_a_line(
    store: Store, resume: Resume, plan: object, endpoints: object
) -> None:
    run, samples = reaching(URL)
    add_finished_run(store, replace(run, manifest={"plan": plan, "endpoints": endpoints}), samples)
    status, said = resume("--endpoint", f"api={URL}")
    assert (status, len(said.splitlines())) == (2, 1)


# --- What the record chooses from


def about(*entries: dict[str, object]) -> Run:
    plan = to_document(SpawnPlan())
    return Run("abcd1234", "coldstart", "", RunState.CANCELLED, "", {"plan": plan, "endpoints": list(entries)})


API = Target("api", "The API", command=Command(("serve", "api"), Path("/programs")))
FUNCTION = Target("function", "The function", endpoint=Endpoint("function", "The function", URL))


def test_a_run_goes_on_with_those_of_the_configured_that_it_is_about_in_its_own_order() -> None:
    api, function = ({"key": one.key, "name": "another name", **one.recorded} for one in (API, FUNCTION))
    assert chosen_for(about(function, api), [API, FUNCTION]) == [FUNCTION, API]
    assert chosen_for(about(api), [FUNCTION, API]) == [API]
    recorded = json.loads(json.dumps(api))  # as it is read from the record
    assert chosen_for(about(recorded), [API]) == [API]


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "other"},
        {"command": ["serve", "api", "--more"]},
        {"command": "serve api"},
        {"command": None},
        {"directory": "/else"},
        {"url": URL},
    ],
)
def test_a_run_that_is_about_something_else_does_not_go_on(changes: dict[str, object]) -> None:
    with pytest.raises(PlanError, match="run abcd1234 does not match the configured targets"):
        chosen_for(about({"key": "api", **API.recorded, **changes}), [API, FUNCTION])
