"""Faults around the endpoints, done to the real programs."""

from functools import partial
from pathlib import Path

import pytest

from tests.faults.scenarios import SCENARIOS, TITLES, can_mount, soak

SOAK_S = 10.0
NEED_MOUNTS = frozenset({"read-only file system", "no writable temp directory"})


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_endpoint_withstands(name: str, title: str, tmp_path: Path) -> None:
    if name in NEED_MOUNTS and not can_mount():
        pytest.skip("this user may not change mounts")
    scenario = partial(soak, duration_s=SOAK_S) if name == "soak" else SCENARIOS[name]
    result = scenario(title, tmp_path)
    assert result.passed, result.figure
