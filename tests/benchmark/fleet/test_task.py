"""What a worker gets is what the run says, within bounds."""

import numpy as np
import pytest

from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.identity import GoogleIdentity
from benchmark.engine.schedule import Share, whole
from benchmark.fleet import task as task_module
from benchmark.fleet.task import make_task, pack, unpack
from benchmark.record.plan import OpenLoopPlan, PlanError, to_document
from inference.card import ModelCard

PLAN = OpenLoopPlan(50.0, 2.0)
ENDPOINTS = (
    Endpoint("api", "A", "https://a.example", token="secret"),  # noqa: S106
    Endpoint("function", "B", "https://b.example", identity=GoogleIdentity()),
)


def test_a_task_arrives_as_it_was_made_with_its_tokens(tea: ModelCard) -> None:
    share = whole(PLAN, 2)
    found = unpack(*pack([make_task("ab12", to_document(PLAN), ENDPOINTS, share, (b"{}", b"[]"), tea)]))
    assert list(found.share.sends) == list(share.sends)
    assert (found.run_id, found.plan, found.bodies, found.card) == ("ab12", to_document(PLAN), (b"{}", b"[]"), tea)
    assert found.targets == ENDPOINTS
    assert [target.identity is not None for target in found.targets] == [False, True]
    assert found.requests == len(share.sends)
    closed = unpack(*pack([make_task("ab12", {}, ENDPOINTS, Share(numbers=range(7)), (), None)]))
    assert closed.share.numbers == list(range(7)) and closed.requests == 14


@pytest.mark.parametrize(
    ("limit", "problem"),
    [
        ("MAX_BYTES", r"^the share of a worker takes 0 MiB, .* use more workers, .* or fewer inputs$"),
        ("MAX_TOTAL_BYTES", r"^the shares of 2 workers take 0 MiB, .* use fewer workers, .* or fewer inputs$"),
    ],
)
def test_tasks_that_are_too_large_are_refused_in_one_line(
    limit: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make_task("ab12", {}, ENDPOINTS[:1], Share(), (np.random.default_rng(0).bytes(4096),), None)
    assert len(pack([task, task])) == 2
    monkeypatch.setattr(task_module, limit, 4096)
    with pytest.raises(PlanError, match=problem):
        pack([task, task])
