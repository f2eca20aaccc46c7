"""What the documentation quotes of a program is what the program says."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmark.fleet.coordinator import _READY_WITHIN_S
from inference.start import load_app, require_port
from tests.inference.damage import DAMAGES, copy_of
from tests.servers import ROOT
from tools.processes import HOST, Program
from tools.supervisor import busy_ports

QUOTED = re.findall(
    r"^\| `([^`]+)` \|",
    (ROOT / "docs/how-to/troubleshooting.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)
FLEET = ROOT / "benchmark" / "fleet"


@contextmanager
def held_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind((HOST, 0))
        holder.listen()
        yield int(holder.getsockname()[1])


@pytest.fixture
def said(iris_dir: Path, tmp_path: Path) -> list[str]:
    """What the programs say of the troubles in the table, a held port given as the number in the page."""
    with held_port() as port:
        program = Program("API", (), tmp_path, {}, port, "API_PORT")
        (busy,) = busy_ports([program])
        with pytest.raises(SystemExit) as listening:
            require_port(HOST, port)
    artifact = copy_of(iris_dir, tmp_path / "artifact")
    next(damage for damage in DAMAGES if damage.name == "model.onnx-flipped")(artifact)
    with pytest.raises(SystemExit) as damaged:
        load_app("test", default_model_dir=artifact, environ={})
    return [
        busy.replace(str(port), "8000").replace(str(port + 1), "8001"),
        str(listening.value).replace(f"{HOST}:{port}", "0.0.0.0:8080"),
        str(damaged.value),
        *re.findall(r"This Python cannot make environments", (ROOT / "tools" / "install.sh").read_text()),
        *re.findall(r"worker {.+} has another version of this program", (FLEET / "members.py").read_text()),
        *(
            late.replace("{_READY_WITHIN_S:.0f}", f"{_READY_WITHIN_S:.0f}")
            for late in re.findall(r"worker {.+} was not ready within {.+} s", (FLEET / "coordinator.py").read_text())
        ),
    ]


def test_every_message_in_the_troubleshooting_guide_is_one_that_a_program_says(said: list[str]) -> None:
    assert len(QUOTED) == len(said)
    for quoted, message in zip(QUOTED, said, strict=True):
        assert re.fullmatch(re.escape(quoted).replace("…", ".+"), message)
