"""Where a record is, and that its password is shown nowhere."""

import argparse
import io
import traceback
from pathlib import Path

import pytest

from benchmark.commands import UsageError, add_results, results_store
from benchmark.record.location import Location, LocationError, location_in
from benchmark.record.store import Store, StoreError
from benchmark.runs.job import Job, read_job, write_job
from dashboard.settings import Settings
from tests.postgres import PASSWORD, Postgres
from tools.processes import free_ports

SECRET = "hunter%202"  # noqa: S105
URL = f"postgresql+psycopg://ann:{SECRET}@db.example:5433/faceoff"


def test_without_a_url_the_record_is_a_file() -> None:
    assert location_in({}, Path("results")) == Location(Path("results"))
    assert location_in({"RESULTS_DIR": "/there", "RESULTS_URL": ""}, Path("results")) == Location(Path("/there"))


def test_a_url_names_a_database_and_keeps_a_directory_for_local_state() -> None:
    location = location_in({"RESULTS_URL": URL, "RESULTS_DIR": "/there"}, Path("results"))
    assert (location.directory, location.name) == (Path("/there"), "postgresql://ann:***@db.example:5433/faceoff")
    assert location.database_url is not None
    assert location.database_url.password == "hunter 2"  # noqa: S105


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_all_common_schemes_are_taken(scheme: str) -> None:
    url = Location(Path(), f"{scheme}://db.example/faceoff").database_url
    assert url is not None
    assert url.drivername == "postgresql+psycopg"


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        f"mysql://ann:{SECRET}@db.example/faceoff",
        "sqlite:///faceoff",
        f"postgresql://ann:{SECRET}@db.example",
        f"postgresql://ann:{SECRET}@db.example:port/faceoff",
        f"postgresql://ann:{SECRET}@[::1/faceoff",
    ],
)
def test_what_is_no_address_of_a_record_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(LocationError, match=r"^RESULTS_URL must .*postgresql\+psycopg://") as raised:
        location_in({"RESULTS_URL": url}, Path())
    assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_a_password_is_shown_nowhere() -> None:
    location = Location(Path("/there"), URL)
    settings = Settings.from_env(
        {"RESULTS_URL": URL, "API_URL": "http://localhost:1", "FUNCTION_URL": "http://localhost:2"}
    )
    assert SECRET not in repr(location) + str(location) + location.name + repr(settings)


def test_control_characters_of_an_address_are_not_shown() -> None:
    assert "\x1b" not in Location(Path(), "postgresql://ann\x1b[31m@db.example/faceoff").name


def test_a_password_in_the_query_is_not_shown_either() -> None:
    location = Location(Path(), f"postgresql://db.example/faceoff?password={SECRET}")
    assert location.has_password
    assert location.name == "postgresql://db.example/faceoff"


def test_errors_name_the_database_without_its_password(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    store = Store(Location(tmp_path, f"postgresql://ann:{SECRET}@127.0.0.1:{port}/faceoff?connect_timeout=2"))
    with pytest.raises(StoreError, match=rf"^postgresql://ann:\*\*\*@127\.0\.0\.1:{port}/faceoff: ") as raised:
        store.runs()
    shown = "".join(traceback.format_exception(raised.value))
    assert "hunter" not in shown
    assert "\n" not in str(raised.value)


def test_a_wrong_password_and_a_missing_database_are_one_line(postgres: Postgres, tmp_path: Path) -> None:
    right = postgres.url("nowhere")
    for url in (right, right.replace("faceoff:", "faceoff:wrong")):
        with pytest.raises(StoreError, match="nowhere") as raised:
            Store(Location(tmp_path, url)).runs()
        assert "\n" not in str(raised.value)
        assert PASSWORD not in "".join(traceback.format_exception(raised.value))


def test_a_job_carries_the_address_over_its_pipe(tmp_path: Path) -> None:
    job = Job("abcd1234", Location(tmp_path, URL), (), "compare", {}, "name", user="ann")
    assert read_job(write_job(job)) == job
    assert SECRET not in repr(job)


# --- The command line


def parsed(*arguments: str) -> str | None:
    parser = argparse.ArgumentParser()
    add_results(parser)
    given: str | None = parser.parse_args(arguments).results
    return given


def test_the_option_is_a_directory_or_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESULTS_URL", URL)
    monkeypatch.setenv("RESULTS_DIR", "/state")
    assert results_store(None).location == Location(Path("/state"), URL)
    assert results_store(parsed("--results", "/there")).location == Location(Path("/there"))
    given = "postgresql+psycopg://ann@db.example/faceoff"
    assert results_store(parsed(f"--results={given}")).location == Location(Path("/state"), given)


@pytest.mark.parametrize(
    "given", [URL, "postgresql://db.example/faceoff?password=x", "mysql://db.example/x", "https://db.example/x"]
)
def test_a_password_on_the_command_line_and_other_addresses_are_refused(
    given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RESULTS_URL", raising=False)
    with pytest.raises(UsageError, match=r"^--results") as raised:
        results_store(given)
    assert SECRET not in str(raised.value)


def test_help_names_the_variables() -> None:
    parser = argparse.ArgumentParser()
    add_results(parser)
    shown = io.StringIO()
    parser.print_help(shown)
    assert "RESULTS_URL" in shown.getvalue()
