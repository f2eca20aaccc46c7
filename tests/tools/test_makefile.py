"""What make deletes, as it says itself without doing it."""

import shutil
import subprocess

import pytest

from tests.servers import ROOT

MAKE = shutil.which("make") or "make"


@pytest.mark.parametrize(
    ("target", "deleted"), [("clean", [".venv", "artifacts", "build"]), ("clean-results", ["results"])]
)
def test_what_was_measured_is_deleted_only_by_the_target_that_is_named_after_it(
    target: str, deleted: list[str]
) -> None:
    done = subprocess.run([MAKE, "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = [line for line in done.stdout.splitlines() if not line.startswith("make")]
    assert line.split() == ["rm", "-rf", *deleted]
