"""What the Makefile lists and deletes, as make says itself, and what continuous integration runs of it."""

import re
import shutil
import subprocess

import pytest

from deploy.commands import STEPS
from tests.servers import ROOT

MAKE = shutil.which("make") or "make"
TEXT = (ROOT / "Makefile").read_text()


def made(*arguments: str) -> list[str]:
    """The lines that make prints."""
    done = subprocess.run(
        [MAKE, "--no-print-directory", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("target", "deleted"), [("clean", [".venv", "artifacts", "build"]), ("clean-results", ["results"])]
)
def test_what_was_measured_is_deleted_only_by_the_target_that_is_named_after_it(
    target: str, deleted: list[str]
) -> None:
    (line,) = made("--dry-run", target)
    assert line.split() == ["rm", "-rf", *deleted]


def test_help_lists_every_target_and_every_step_of_a_deployment() -> None:
    listed = {words[1]: " ".join(words[2:]) for line in made("help") if (words := line.split())}
    # Files, patterns and names that begin with a dot are for make itself.
    targets = {name for rule in re.findall(r"^([\w -]+):(?!=)", TEXT, re.MULTILINE) for name in rule.split()}
    assert listed.keys() == targets
    assert all(listed.values())
    steps = {name.removeprefix("deploy-"): title for name, title in listed.items() if name.startswith("deploy-")}
    assert steps == {name: step.title for name, step in STEPS.items()}


@pytest.mark.parametrize("step", STEPS)
def test_every_step_of_a_deployment_is_run_by_its_target(step: str) -> None:
    assert f".venv/bin/python -m deploy  {step} --run" in made("--dry-run", f"deploy-{step}")


def test_only_tests_and_checks_install_what_testing_and_checking_needs() -> None:
    for target in ("run", "train", "stage-function", "images", "deploy-api"):
        assert "tools/install.sh all" not in made("--dry-run", target)
    for target in ("test", "check", "lock"):
        assert "tools/install.sh all" in made("--dry-run", target)


def test_continuous_integration_proves_a_bare_machine_and_the_images_and_ends_with_the_tests() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert [line for line in lines if line.startswith("make ")] == [
        "make bare",
        "make check",
        "make docs",
        "make images",
        "make test-slow",
        "make test",
    ]
    assert lines[-1] == "make test"
