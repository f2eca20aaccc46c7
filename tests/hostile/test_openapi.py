"""The live API keeps to its own description: requests generated from /openapi.json, right and wrong ones."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.endpoints import serving


@pytest.mark.slow
def test_schemathesis_finds_no_breach_of_the_description(tmp_path: Path) -> None:
    with serving(tmp_path) as endpoints:
        # As a program: its pytest plugin brings warnings and settings of its own into the whole test run.
        run = subprocess.run(
            [
                *(
                    sys.executable,
                    "-m",
                    "schemathesis.cli",
                    "run",
                    f"http://127.0.0.1:{endpoints['API'].port}/openapi.json",
                ),
                *("--checks", "all", "--max-examples", "40", "--seed", "1", "--generation-deterministic", "--no-color"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
        )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
