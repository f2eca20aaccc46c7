"""The JSON documents match their schema, the site is complete, and documents name only what exists."""

import json
import re
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from benchmark.__main__ import COMMANDS, main
from benchmark.coldstart.plan import SpawnPlan
from benchmark.coldstart.summary import summarise, to_document
from benchmark.record.plan import Stage, StagedPlan
from benchmark.record.run import RunState
from benchmark.summary.summarise import summarise as load_summary
from benchmark.summary.summarise import to_document as load_document
from benchmark.synthetic.demo import DEMO, simulate_run
from tests.benchmark.cold_runs import TrueStart, cold_run
from tools.docs_hook import command_line, json_reference, with_site_links

ROOT = Path(__file__).resolve().parents[2]
PLACEHOLDERS = re.compile(r"\b(NAME|PAGE|GROUP)\b")
GENERATED = {
    "artifacts/",
    "results/",
    "build/",
    ".venv/",
    "model.joblib",
    "model.onnx",
    "model.linear.json",
    "data.csv",
    "model.json",
}
SCHEMA = json.loads((ROOT / "docs/reference/documents.schema.json").read_text())


def check(document: Any, name: str) -> None:
    Draft202012Validator({**SCHEMA, "$ref": f"#/$defs/{name}"}).validate(document)


@pytest.fixture(params=["samples-v1", "samples-v2", "samples-v3"])
def results(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A record of each released format."""
    database = sqlite3.connect(tmp_path / "faceoff.sqlite3")
    database.executescript((ROOT / "tests/data" / request.param / "record.sql").read_text())
    database.close()
    return tmp_path


def written(results: Path, *arguments: str) -> Any:
    file = results / "document.json"
    assert main([*arguments, "--json", str(file), "--results", str(results)]) == 0
    return json.loads(file.read_text())


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_every_run_is_written_as_its_schema_says(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["runs", "--json", "--results", str(results)])
    runs = json.loads(capsys.readouterr().out)
    check(runs, "runs")
    assert {run["kind"] for run in runs} == {"compare", "load", "coldstart"}
    for run in runs:
        check(written(results, "show", run["id"]), "coldstart" if run["kind"] == "coldstart" else "run")


@pytest.mark.parametrize("count", [1, 3, 6])
def test_a_run_of_any_number_of_endpoints_is_written_as_its_schema_says(count: int, tmp_path: Path) -> None:
    check(written(tmp_path, "simulate", "--endpoints", str(count), "--pairs", "50"), "run")
    starts = {key: TrueStart() for key in "abcdef"[:count]}
    summary = summarise(*cold_run(SpawnPlan(12), starts))
    check(json.loads(json.dumps(to_document(summary), allow_nan=False)), "coldstart")


def test_a_load_in_stages_with_all_its_figures_is_written_as_its_schema_says() -> None:
    plan = StagedPlan((Stage(2, 20), Stage(1, 50)), "gamma", 0.5, goodput_ms=60.0)
    run, samples = simulate_run(DEMO, plan)
    instances = [{"id": "abc", "compared": 9, "changed": 1}, {"id": None, "compared": 3, "changed": 0}]
    counted = {"bodies": 3, "unstable": 1, "instances": instances}
    outcome = {**run.outcome, "reason": "p95_ms>1: First had 9", "correctness": {"first": counted}}
    summary = load_summary(replace(run, state=RunState.ABORTED, outcome=outcome), samples)
    check(json.loads(json.dumps(load_document(summary), allow_nan=False)), "run")


@pytest.mark.parametrize("name", ["run", "coldstart", "runs", "estimate"])
def test_a_document_with_an_unknown_or_missing_member_is_refused(name: str) -> None:
    validator = Draft202012Validator({**SCHEMA, "$ref": f"#/$defs/{name}"})
    wrong: Any = {"surprise": 1}
    assert not validator.is_valid([wrong] if name == "runs" else wrong)


def test_every_member_is_explained_on_the_site() -> None:
    page = "\n".join(json_reference(SCHEMA))
    for name in ("censored_ms", "queued_ms", "floor_ms", "first_on_warm", "imported", "margin_ms"):
        assert f"{name}`" in page


def test_the_command_line_reference_has_every_command_with_its_help() -> None:
    page = "\n".join(command_line())
    for name in COMMANDS:
        assert f"## {name}\n" in page
        assert f"usage: python -m benchmark {name} " in page


def test_links_of_root_documents_lead_to_pages_of_the_site_or_are_named_alone() -> None:
    text = "[a](ARCHITECTURE.md) [b](deploy/variables.env) [c](docs/how-to/gate.md#x) [d](https://example.org/) [e](#f)"
    assert with_site_links(text, "how-to/deploy.md") == (
        "[a](../explanation/architecture.md) b [c](gate.md#x) [d](https://example.org/) [e](#f)"
    )


def paths_in(markdown: str) -> set[str]:
    """The paths in backticks: files by their suffix, directories by a slash; not routes such as `/predict`."""
    quoted = set(re.findall(r"`([\w.-][\w./-]*)`", markdown))
    return {
        text for text in quoted if "/" in text or re.search(r"\.(py|md|toml|yaml|env|json|sh|csv|joblib|onnx)$", text)
    }


def test_every_path_in_the_architecture_exists() -> None:
    # Paths of a package's own row or section are relative to the package.
    bases = [ROOT, *(ROOT / package for package in ("benchmark", "dashboard", "tests", "tools"))]
    named = paths_in((ROOT / "ARCHITECTURE.md").read_text())
    assert {"benchmark/runs/kind.py", "engine/wire.py", "components/", "requirements/GROUP.txt"} <= named
    missing = {
        path for path in named - GENERATED if not any(any(base.glob(PLACEHOLDERS.sub("*", path))) for base in bases)
    }
    assert not missing
