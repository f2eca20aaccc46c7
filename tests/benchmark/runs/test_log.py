"""The log of a replay on its way to the process of the run."""

from pathlib import Path

import pytest

from benchmark.endpoints.endpoint import Endpoint
from benchmark.launch import Launcher
from benchmark.record.location import Location
from benchmark.record.plan import PlanError, ReplayPlan
from benchmark.record.plan import to_document as plan_document
from benchmark.record.store import Store
from benchmark.runs.job import Job, Log, read_job, write_job

SIDES = (Endpoint("api", "The API", "http://127.0.0.1:1/predict"),)


def test_a_log_reaches_the_process_of_its_run_as_it_was(tmp_path: Path) -> None:
    text = '\ufeff{"time": 1, "body": {"a": "\u00fc"}}\n{"time": 3, "body": {"a": "x"}}'
    for with_bodies in (True, False):
        log = Log("log.json", text, with_bodies)
        found = log.recording(None)
        assert found.times_s is not None
        assert (found.times_s.tolist(), found.bodies is not None) == ([0, 2], with_bodies)
        plan = ReplayPlan("log.json", found.sha256, 2, 0.5, 2.0, speed=4.0, warmup=0)
        job = Job("abcd1234", Location(tmp_path), SIDES, "load", plan_document(plan), log=log)
        _, order = read_job(write_job(job)).order(Store(tmp_path))
        assert order.recording is not None and order.recording.times_s is not None
        assert order.recording.times_s.tolist() == [0, 0.5]
        assert (order.recording.sha256, order.recording.bodies) == (found.sha256, found.bodies)


def test_a_replay_without_its_log_or_with_a_bad_one_is_not_started(tmp_path: Path) -> None:
    plan = ReplayPlan("log.json", "0" * 64, 2, 0.5, 2.0, warmup=0)
    launcher = Launcher(Store(tmp_path))
    with pytest.raises(PlanError, match="a replay needs its log"):
        launcher.start(plan, SIDES)
    with pytest.raises(PlanError, match=r"log\.json line 1 is not JSON"):
        launcher.start(plan, SIDES, log=Log("log.json", "x", True))
    assert launcher.running() is None
