"""DEPLOY.md shows every command as it is rendered, and its prices add up."""

import re
import shlex
from pathlib import Path

import pytest

from deploy.commands import STEPS
from deploy.variables import Variables

TEXT = (Path(__file__).resolve().parents[2] / "DEPLOY.md").read_text(encoding="utf-8")
COMMANDS = [
    tuple(shlex.split(line))
    for line in TEXT.replace("\\\n", " ").splitlines()
    if line.startswith("    ") and "gcloud " in line
]


@pytest.mark.parametrize("step", STEPS)
def test_every_step_is_shown_as_it_is_rendered(step: str) -> None:
    shown = {
        "PROJECT": "my-project",
        "API_URL": "https://faceoff-api-abc123-uc.a.run.app",
        "FUNCTION_URL": "https://faceoff-function-abc123-uc.a.run.app",
    }
    assert f"`make deploy-{step}`" in TEXT
    for command in STEPS[step].commands(Variables.from_files((), shown)):
        assert command in COMMANDS


def test_the_worked_example_adds_up() -> None:
    gross = [float(value) for value in re.findall(r"^\| [^|]+ \| ([\d.]+) \| [\d ]+ of ", TEXT, re.MULTILINE)]
    assert gross == [pytest.approx(value) for value in (100_000 * 0.000024, 50_000 * 0.0000025, 0.40)]
    claims = {
        "**2.93**": sum(gross),
        "which is 0.48.": 20_000 * 0.000024,
        "= 4.32;": 216_000 * (0.000018 + 0.000002),
        "= 9.72\n": 2_592_000 * 1.5 * 0.0000025,
    }
    for words, value in claims.items():
        assert words in TEXT
        assert float(re.sub(r"[^\d.]", "", words).strip(".")) == pytest.approx(value, abs=0.006)
