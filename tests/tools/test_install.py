"""tools/install.sh in folders of its own: a real Python makes .venv, a stand-in for uv notes what it installs."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("sh", "dirname", "cat", "cmp", "cp", "rm", "sleep")
BASE_PYTHON = os.path.realpath(sys.executable)

UV = """
if [ -e "slow-$1" ]; then echo "$1" >>installed; exec sleep 600; fi
case $1 in
venv)
    while [ $# -gt 1 ]; do [ "$1" = --python ] && python=$2; shift; done
    [ "$python" != 3.12 ] || python=python3 # which it would find elsewhere
    "$python" -m venv --without-pip "$1"
    ;;
pip) echo "$*" | sed 's/.*--compile-bytecode //' >>installed ;;
esac
"""


class Folder:
    """A clone with pins of its own, and a machine with the few commands that the script needs."""

    def __init__(self, path: Path, bin: Path) -> None:
        self.path = path
        self.bin = bin

    @classmethod
    def new(cls, root: Path) -> "Folder":
        (root / "bin").mkdir()
        for name in (*TOOLS, "sed"):
            (root / "bin" / name).symlink_to(shutil.which(name) or "")
        (root / "bin" / "python3").symlink_to(BASE_PYTHON)
        folder = cls(root / "clone", root / "bin")
        (folder.path / "tools").mkdir(parents=True)
        (folder.path / "requirements").mkdir()
        shutil.copy2(ROOT / "tools" / "install.sh", folder.path / "tools")
        for name in ("run", "extras", "all", "uv"):
            folder.pin(name, "1")
        folder.put_uv()
        return folder

    def put_uv(self) -> None:
        (self.bin / "uv").write_text(f"#!{self.bin}/sh\n{UV}")
        (self.bin / "uv").chmod(0o755)

    def pin(self, name: str, version: str) -> None:
        (self.path / "requirements" / f"{name}.txt").write_text(f"{name}=={version}\n")

    def start(self, name: str, **environ: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [self.path / "tools" / "install.sh", name],
            cwd=self.path,
            env={"PATH": f"{self.path}/.venv/bin:{self.bin}", **environ},  # as make has it
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def install(self, name: str, **environ: str) -> list[str]:
        """What was installed by it, and nothing else."""
        (self.path / "installed").unlink(missing_ok=True)
        process = self.start(name, **environ)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        return self.installed

    @property
    def installed(self) -> list[str]:
        note = self.path / "installed"
        return note.read_text().splitlines() if note.exists() else []


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.new(tmp_path)


def test_what_is_there_is_not_installed_again(folder: Folder) -> None:
    assert folder.install("run") == ["requirements/run.txt"]
    assert folder.install("run") == []
    os.utime(folder.path / "requirements" / "run.txt")  # as git leaves it after a visit to another branch
    assert folder.install("run") == []


def test_installing_adds_and_nothing_takes_away(folder: Folder) -> None:
    folder.install("run")
    assert folder.install("extras") == ["requirements/extras.txt"]
    assert folder.install("run") == []
    assert folder.install("all") == ["requirements/all.txt"]
    assert folder.install("run") == folder.install("extras") == []
    folder.pin("run", "2")
    folder.pin("all", "2")
    assert folder.install("run") == ["requirements/all.txt"]
    assert folder.install("all") == []


def test_pins_that_only_tests_need_do_not_hold_up_a_run(folder: Folder) -> None:
    folder.install("all")
    folder.pin("all", "2")
    assert folder.install("run") == []
    assert folder.install("all") == ["requirements/all.txt"]


def test_changed_pins_are_installed_into_the_environment_that_is_there(folder: Folder) -> None:
    folder.install("run")
    (folder.path / ".venv" / "kept").touch()
    folder.pin("run", "2")
    assert folder.install("run") == ["requirements/run.txt"]
    assert (folder.path / ".venv" / "kept").exists()


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_in_a_moved_or_copied_folder_the_environment_and_what_is_built_are_made_anew(folder: Folder, how: str) -> None:
    folder.install("all")
    (folder.path / "build" / "function").mkdir(parents=True)
    other = folder.path.with_name("other")
    if how == "moved":
        folder.path.rename(other)
    else:
        shutil.copytree(folder.path, other, symlinks=True)
    elsewhere = Folder(other, folder.bin)
    (other / ".venv" / "bin" / "left").touch()
    assert elsewhere.install("run") == ["requirements/all.txt"]
    assert not (other / ".venv" / "bin" / "left").exists()
    assert not (other / "build").exists()
    assert elsewhere.install("run") == []
    if how == "copied":
        assert folder.install("run") == []
        assert (folder.path / "build" / "function").is_dir()


def test_another_server_gets_an_environment_of_its_own(folder: Folder) -> None:
    folder.install("run")
    (folder.path / "requirements" / "peers").mkdir()
    folder.pin("peers/one", "1")
    assert folder.install("peers/one") == ["requirements/peers/one.txt"]
    assert (folder.path / "build" / "peers" / "one" / "bin" / "python").exists()
    assert folder.install("peers/one") == []
    assert folder.install("run") == []
    folder.pin("peers/one", "2")
    assert folder.install("peers/one") == ["requirements/peers/one.txt"]
    folder.pin("run", "2")
    assert folder.install("run") == ["requirements/run.txt"]
    assert folder.install("peers/one") == []


def test_what_has_no_pins_is_not_installed(folder: Folder) -> None:
    folder.install("run")
    process = folder.start("peers/other")
    assert process.communicate()[1] == "There is no requirements/peers/other.txt\n"
    assert process.returncode == 1
    assert not (folder.path / "build").exists()


def test_an_environment_whose_python_is_gone_is_made_anew(folder: Folder) -> None:
    folder.install("run")
    for python in (folder.path / ".venv" / "bin").glob("python*"):
        python.unlink()
    assert folder.install("run") == ["requirements/run.txt"]


def test_an_environment_of_another_python_is_made_anew_with_all_that_was_in_it(folder: Folder) -> None:
    folder.install("all")
    major, minor = sys.version_info[:2]
    (folder.path / ".venv" / "made-by").write_text(f"{folder.path} {major} {minor - 1}\n")
    assert folder.install("run") == ["requirements/all.txt"]


def test_the_python_that_is_asked_for_is_used_or_named(folder: Folder) -> None:
    folder.install("run")
    assert folder.install("run", PYTHON=BASE_PYTHON) == []
    process = folder.start("run", PYTHON="/nowhere/python3.12")
    assert "name it: make PYTHON=" in process.communicate()[1]
    assert process.returncode == 1
    assert folder.install("run") == []


@pytest.mark.parametrize("step", ["venv", "pip"])
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_installation_is_done_again_and_leaves_nothing_running(
    folder: Folder, step: str, number: signal.Signals
) -> None:
    slow = folder.path / f"slow-{step}"
    slow.touch()
    process = folder.start("run")
    deadline = time.monotonic() + 20
    while not folder.installed:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    process.communicate(timeout=20)  # which ends when nobody has its output open any more
    assert process.returncode == 143
    slow.unlink()
    assert folder.install("run") == ["requirements/run.txt"]


def test_an_interrupted_bootstrap_leaves_nothing_running(folder: Folder) -> None:
    (folder.bin / "uv").unlink()
    process = folder.start("run")
    started: list[psutil.Process] = []
    deadline = time.monotonic() + 20
    while not started:
        assert time.monotonic() < deadline
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(process.pid).children():
                if "ensurepip" in " ".join(child.cmdline()):
                    started = child.children()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 143
    assert psutil.wait_procs(started, timeout=5)[1] == []


def test_without_uv_the_pinned_one_is_installed_with_pip_and_kept(folder: Folder) -> None:
    (folder.bin / "uv").unlink()
    # What there is to install: a package whose program notes what it is asked for.
    uv = folder.path / "uv-wheel"
    wheel(uv, "uv", UV, folder.bin)
    assert folder.install("run", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(uv)) == [
        "requirements/run.txt requirements/uv.txt"
    ]
    folder.pin("run", "2")
    assert folder.install("run", PIP_NO_INDEX="1") == ["requirements/run.txt requirements/uv.txt"]
    (folder.path / "requirements" / "peers").mkdir()
    folder.pin("peers/one", "1")
    assert folder.install("peers/one", PIP_NO_INDEX="1") == ["requirements/peers/one.txt"]


def wheel(folder: Path, name: str, script: str, bin: Path) -> None:
    """A wheel of version 1 with one script, and its hash in the pins."""
    folder.mkdir()
    path = folder / f"{name}-1-py3-none-any.whl"
    info = f"{name}-1.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        program = zipfile.ZipInfo(f"{name}-1.data/scripts/{name}")
        program.external_attr = 0o100755 << 16
        archive.writestr(program, f"#!{bin}/sh\n{script}")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder.parent / "requirements" / f"{name}.txt").write_text(f"{name}==1 --hash=sha256:{digest}\n")


# The pins.


def pinned(name: str) -> set[str]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return set(re.findall(r"^([a-z0-9-]+==\S+)", text, re.MULTILINE))


def test_uv_is_alone_in_the_pins_that_the_bootstrap_installs() -> None:
    (pin,) = pinned("uv")
    assert pin.startswith("uv==")
    assert pin in pinned("all")


def test_a_run_installs_what_serves_trains_measures_and_shows_and_no_tools_of_tests() -> None:
    run = pinned("run")
    assert run < pinned("all")
    for group in ("api", "function", "sklearn", "training", "benchmark", "dashboard"):
        assert pinned(group) <= run
    names = {pin.partition("==")[0] for pin in run}
    assert not names & {"playwright", "hypothesis", "schemathesis", "mypy", "pytest", "ruff", "import-linter", "uv"}
