"""What `make bench-dashboard` says of what it has measured."""

import pytest

from tools import bench_dashboard
from tools.bench_pages import Transferred, imported
from tools.bench_sessions import Sessions


@pytest.mark.parametrize(("change_ms", "is_met"), [([50.0, 70.0], True), ([50.0, 71.0], False)])
def test_the_cpu_of_changes_is_judged_by_its_mean(change_ms: list[float], is_met: bool) -> None:
    target = bench_dashboard.change_target(Sessions(change_ms, 0.0, 100.0, 100.0))
    assert (target.is_met, target.limit) == (is_met, "<= 60")


@pytest.mark.parametrize(("after_mib", "is_met"), [(120.0, True), (121.0, False)])
def test_memory_may_grow_by_a_fifth(after_mib: float, is_met: bool) -> None:
    assert bench_dashboard.memory_target(Sessions([1.0], 0.0, 100.0, after_mib)).is_met is is_met


@pytest.mark.parametrize(("websocket_bytes", "is_met"), [(100_000, True), (100_001, False)])
def test_a_page_counts_with_what_comes_over_its_websocket(websocket_bytes: int, is_met: bool) -> None:
    target = bench_dashboard.load_target("Cost", Transferred(3, 1_200_000, websocket_bytes))
    assert target.is_met is is_met
    assert target.name == "first load, Cost, bytes"


def test_imports_are_read_from_the_log_of_python() -> None:
    log = "import time:       120 |        310 | pandas\nimport time: 1 | 2 |   pandas.core\nread pyarrow\n"
    assert imported(log) == ["pandas"]
