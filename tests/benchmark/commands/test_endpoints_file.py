"""`ENDPOINTS=FILE.toml` on the command line: `--endpoint` may be left out, or may be a name of the file."""

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.commands import UsageError
from benchmark.commands.measuring import add_endpoints, allowed_hosts, parse_endpoints
from benchmark.endpoints.endpoint import Endpoint
from tests.benchmark.commands.conftest import Command, document
from tests.benchmark.little_server import LittleServer

THREE = """
[[endpoint]]
name = "A"
url = "https://a.example"
token_variable = "OF_A"
timeout_s = 2

[[endpoint]]
name = "B"
url = "https://b.example"
timeout_s = 30

[[endpoint]]
name = "C"
url = "http://127.0.0.1:9"
"""
Parse = Callable[..., tuple[argparse.Namespace, list[Endpoint]]]


@pytest.fixture
def parse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parse:
    """What a measuring command makes of its arguments where the file configures three endpoints."""
    path = tmp_path / "three.toml"
    path.write_text(THREE)
    for name, value in {"ENDPOINTS": str(path), "OF_A": "secret"}.items():
        monkeypatch.setenv(name, value)

    def parse(*arguments: str, required: bool = True) -> tuple[argparse.Namespace, list[Endpoint]]:
        parser = argparse.ArgumentParser()
        add_endpoints(parser, required=required)
        parsed = parser.parse_args(arguments)
        return parsed, parse_endpoints(parsed)

    return parse


def test_without_the_option_all_endpoints_of_the_file_are_measured(parse: Parse) -> None:
    arguments, endpoints = parse()
    assert [(one.key, one.name, one.token, one.timeout_s) for one in endpoints] == [
        ("a", "A", "secret", 2.0),
        ("b", "B", None, 30.0),
        ("c", "C", None, 10.0),
    ]
    assert arguments.timeout == 30.0


def test_a_name_picks_an_endpoint_beside_one_that_is_given_here(parse: Parse) -> None:
    arguments, endpoints = parse("--endpoint", "b", "--endpoint", "mine=http://127.0.0.1:8000", "--timeout", "3")
    assert [(one.key, one.url, one.timeout_s) for one in endpoints] == [
        ("b", "https://b.example", 3.0),
        ("mine", "http://127.0.0.1:8000", 3.0),
    ]
    assert arguments.timeout == 3.0


def test_hosts_of_the_file_may_be_measured(parse: Parse) -> None:
    arguments, _ = parse("--allow-host", "d.example")
    assert allowed_hosts(arguments) == {"a.example", "b.example", "127.0.0.1", "d.example"}


def test_a_name_that_is_not_in_the_file_is_refused(parse: Parse) -> None:
    with pytest.raises(UsageError, match=r"^--endpoint d: must be NAME=URL, .*, or the name of an endpoint in"):
        parse("--endpoint", "d")
    with pytest.raises(UsageError, match="A_TOKEN is also the token of a"):
        parse("--endpoint", "a", "--endpoint", "A=http://127.0.0.1")


def test_the_protocol_of_an_endpoint_of_the_file_is_changed_there(parse: Parse) -> None:
    with pytest.raises(UsageError, match=r"^--protocol b: ENDPOINTS names the file that says its protocol"):
        parse("--endpoint", "b", "--protocol", "b=oip")
    with pytest.raises(UsageError, match=r"^--protocol d: no --endpoint NAME=URL has this name"):
        parse("--endpoint", "b", "--protocol", "d=oip")


def test_where_endpoints_are_optional_none_are_taken_from_the_file_unasked(parse: Parse) -> None:
    assert parse(required=False)[1] == []
    assert [one.key for one in parse("--endpoint", "c", required=False)[1]] == ["c"]


def test_more_than_six_are_refused(parse: Parse) -> None:
    with pytest.raises(UsageError, match="7 endpoints exceed the maximum of 6"):
        parse(*(part for number in range(7) for part in ("--endpoint", f"n{number}=http://127.0.0.1")))


def test_compare_measures_the_endpoints_of_the_file(
    benchmark: Command, twins: tuple[LittleServer, LittleServer], tmp_path: Path
) -> None:
    path = tmp_path / "two.toml"
    path.write_text("".join(f'[[endpoint]]\nname = "Server {n}"\nurl = "{one.url}"\n' for n, one in enumerate(twins)))
    result = benchmark("compare", "--pairs", 3, "--warmup", 0, "--json", tmp_path / "out.json", ENDPOINTS=str(path))
    assert result.returncode == 0, result.stderr
    assert list(document(tmp_path / "out.json")["endpoints"]) == ["server-0", "server-1"]
    assert "Server 1" in result.stdout

    path.write_text("[[endpoint]]")
    result = benchmark("compare", ENDPOINTS=str(path))
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].endswith(f"ENDPOINTS={path}: endpoint 1: name is missing")
