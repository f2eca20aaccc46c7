"""What a record says of a run has types inside, and comes out again as it went in, also what no version knows."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark.record.manifest import Ending, Manifest, RecordedClient, RecordedEndpoint
from benchmark.record.run import Run, RunState
from benchmark.record.store import Store
from benchmark.reports.export import run_from_document, run_to_document
from benchmark.summary.summarise import summarise
from tests.benchmark.runs import make_run, pairs

OF_A_LATER_VERSION = {"weather": {"clouds": [1, 2.5, None]}}


def test_a_run_has_typed_conditions_wherever_it_comes_from(tmp_path: Path) -> None:
    written = make_run()
    Store(tmp_path).create_run(written)
    exported = json.loads(json.dumps(run_to_document(written, pairs([1.0], [2.0]))))
    for run in (written, Store(tmp_path).run(written.id), run_from_document(exported)[0]):
        assert type(run.manifest) is Manifest and type(run.outcome) is Ending
        assert [one.key for one in run.manifest.endpoints] == ["api", "function"]
        assert isinstance(run.manifest.endpoints[0], RecordedEndpoint)
        assert isinstance(run.manifest.client, RecordedClient)
        assert run.manifest.client.host == run.manifest["client"]["host"]
        assert len(run.manifest.facts) == 2
        assert run.outcome.generator == run.outcome["generator"]


def test_what_no_version_knows_is_kept(tmp_path: Path) -> None:
    known = make_run()
    endpoints = [{**entry, **OF_A_LATER_VERSION} for entry in known.manifest["endpoints"]]
    run = replace(
        known,
        manifest={**known.manifest, **OF_A_LATER_VERSION, "endpoints": endpoints},
        outcome={**known.outcome, **OF_A_LATER_VERSION},
    )
    Store(tmp_path).create_run(run)
    found = Store(tmp_path).run(run.id)
    exported = run_to_document(found, pairs([1.0], [2.0]))
    assert json.loads(json.dumps(exported["manifest"])) == json.loads(json.dumps(dict(run.manifest)))
    assert exported["outcome"] == run.outcome
    assert run_from_document(json.loads(json.dumps(exported)))[0].manifest == run.manifest


@pytest.mark.parametrize(
    "manifest",
    [{}, {"endpoints": None}, {"endpoints": ["api"]}, {"endpoints": [{}]}, {"endpoints": [], "client": "here"}],
)
def test_a_damaged_run_is_listed_and_says_so_when_it_is_read(manifest: dict[str, Any], tmp_path: Path) -> None:
    Store(tmp_path).create_run(Run("abcd1234", "compare", "", RunState.FINISHED, "", manifest))
    (run,) = Store(tmp_path).runs()
    assert run.manifest == manifest
    with pytest.raises((KeyError, TypeError)):
        _ = run.manifest.endpoints and None, run.manifest.client
    with pytest.raises((KeyError, TypeError, ValueError)):
        summarise(run, pairs([1.0], [2.0]))


def test_a_run_that_goes_on_has_an_empty_ending() -> None:
    run = Run("abcd1234", "compare", "", RunState.RUNNING, "", {})
    assert run.outcome == {}
    assert (run.outcome.instances, run.outcome.probes, run.outcome.reason) == ((), None, None)
