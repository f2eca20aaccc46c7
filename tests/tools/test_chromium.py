"""tools/chromium.sh in a directory and on a PATH that hold stand-ins alone: nothing is installed or downloaded."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "chromium.sh"
STARTS = "exit 0"
DOES_NOT_START = "echo missing library >&2; exit 127"

pytestmark = pytest.mark.skipif(
    any(Path("/Applications", f"{name}.app").exists() for name in ("Google Chrome", "Chromium")),
    reason="the script would find the one in /Applications, and start it",
)


class Machine:
    """A machine with the few commands that the script needs, and what a test puts on it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bin = root / "bin"
        self.bin.mkdir()
        for name in ("sh", "dirname", "mkdir", "cat", "tail", "grep", "chmod"):
            (self.bin / name).symlink_to(str(shutil.which(name)))
        shutil.copy2(SCRIPT, self._made(root / "tools" / "chromium.sh"))
        # Playwright's part: `python - [EXECUTABLE]` starts that browser, or its own.
        self.put(".venv/bin/python", 'shift; exec "${1:-./own-chromium}"')
        self.put(".venv/bin/playwright", "exit 1")
        self.user(1000)

    @staticmethod
    def _made(path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def put(self, path: str, script: str) -> None:
        """An executable at `path` that also notes its arguments."""
        file = self._made(self.root / path)
        note = f'echo "{file.name} $*" >>"{self.root}/calls"\n'
        file.write_text(f"#!{self.bin}/sh\n{note if path != '.venv/bin/python' else ''}{script}\n")
        file.chmod(0o755)

    def user(self, number: int) -> None:
        self.put("bin/id", f"echo {number}")

    def run(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.root / "tools" / "chromium.sh")],
            env={"PATH": str(self.bin), "HOME": os.environ["HOME"]},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def calls(self) -> list[str]:
        """The stand-ins that ran, but for the question who the user is."""
        return [line for line in (self.root / "calls").read_text().splitlines() if not line.startswith("id ")]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"])
def test_a_browser_on_the_path_is_used_and_nothing_is_installed(machine: Machine, name: str) -> None:
    machine.user(0)
    machine.put("bin/dnf", STARTS)
    machine.put(f"bin/{name}", STARTS)
    done = machine.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert machine.calls == [f"{name} "]


def test_a_browser_that_does_not_start_is_passed_over(machine: Machine) -> None:
    machine.put("bin/chromium", DOES_NOT_START)
    machine.put("bin/google-chrome", STARTS)
    assert machine.run().returncode == 0
    assert machine.calls == ["chromium ", "google-chrome "]


def test_root_gets_the_package(machine: Machine) -> None:
    machine.user(0)
    machine.put(
        "bin/dnf", f'printf "#!{machine.bin}/sh\\n" >"{machine.bin}/chromium"; chmod +x "{machine.bin}/chromium"'
    )
    done = machine.run()
    assert done.returncode == 0
    assert "Installing Chromium" in done.stderr
    assert machine.calls == ["dnf -qy install chromium"]


@pytest.mark.parametrize(("user", "tried"), [(0, ["dnf -qy install chromium"]), (1000, [])])
def test_without_a_package_playwright_downloads_its_own(machine: Machine, user: int, tried: list[str]) -> None:
    machine.user(user)
    machine.put("bin/dnf", "exit 1")
    machine.put(".venv/bin/playwright", f'printf "#!{machine.bin}/sh\\n" >own-chromium; chmod +x own-chromium')
    done = machine.run()
    assert done.returncode == 0
    assert "Downloading Playwright's Chromium" in done.stderr
    assert machine.calls == [*tried, "playwright install chromium"]


def test_where_there_is_no_way_it_fails_and_says_how_to_get_one(machine: Machine) -> None:
    machine.put("bin/chromium", DOES_NOT_START)
    done = machine.run()
    assert done.returncode == 1
    assert "missing library" in done.stderr
    for command in ("apt-get install chromium", "dnf install chromium", "playwright install-deps", "brew install"):
        assert command in done.stderr
