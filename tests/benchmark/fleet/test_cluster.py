"""Which workers are asked for, as it is typed."""

import importlib.util
from typing import Any

import pytest

from benchmark.fleet.cluster import Cluster, read_cluster
from benchmark.record.plan import PlanError


def test_what_may_be_typed() -> None:
    assert read_cluster("local:4") == Cluster(None, 4)
    assert read_cluster("local:4").is_local
    assert read_cluster("tcp://10.0.0.2:8786") == Cluster("tcp://10.0.0.2:8786", None)
    assert read_cluster("tls://dask.example:8786", 3) == Cluster("tls://dask.example:8786", 3)
    assert not read_cluster("tcp://127.0.0.1:1").is_local


@pytest.mark.parametrize("text", ["", "local", "local:", "local:0", "local:1001", "local:x", "4", "tcp://", "tcp://h"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match=r"must be local:N, or a scheduler like tcp://HOST:8786$"):
        read_cluster(text)


@pytest.mark.parametrize("missing", ["distributed", "ddsketch"])
def test_without_the_packages_one_line_says_how_to_get_them(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec

    def find_others(name: str, *more: Any) -> Any:
        return None if name == missing else find(name, *more)

    monkeypatch.setattr(importlib.util, "find_spec", find_others)
    with pytest.raises(PlanError, match=r"^--workers needs .* not installed: run make extras$"):
        read_cluster("local:2")
