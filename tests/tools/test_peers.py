"""Other servers of the same model: what is started, what is asked, and what happens where one is missing."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmark.record.recording import load_samples
from benchmark.record.store import Store
from inference.card import ModelCard
from inference.model import load_model
from tests.servers import ROOT
from tools.peers.__main__ import install, main, run, started
from tools.peers.servers import DEFAULT, PEERS, Peer, Place
from tools.processes import NotServing, Program

ASKED = ("mlserver", "kserve", "litserve")
MEASURED = ("mlserver", "mlserver-grpc", "kserve", "litserve")


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The record that a comparison goes to."""
    monkeypatch.setenv("RESULTS_DIR", str(tmp_path / "results"))
    return Store(tmp_path / "results")


def place(directory: Path, iris_dir: Path, python: Path = Path(sys.executable)) -> Place:
    return Place(iris_dir, load_model(iris_dir).card, python, directory / "place")


def test_every_server_has_pins_and_all_of_them_the_model_s_scikit_learn() -> None:
    def pinned(name: str) -> set[str]:
        lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
        return {line.split(" ")[0] for line in lines if "==" in line}

    loading = {pin for pin in pinned("sklearn") if pin.startswith(("scikit-learn==", "joblib==", "numpy=="))}
    assert len(loading) == 4  # numpy has two versions, by Python
    files = {path.stem for path in (ROOT / "requirements" / "peers").iterdir()}
    assert files == {peer.environment for peer in PEERS.values()}
    for name in files:
        assert loading <= pinned(f"peers/{name}")


def test_a_server_that_does_not_start_is_an_error_with_its_last_words(iris_dir: Path, tmp_path: Path) -> None:
    def start(where: Place) -> tuple[Program, str]:
        program = where.program("Broken", "python", "-c", "print('no such model')", health_path="/", port=0)
        return program, program.url

    with (
        pytest.raises(NotServing, match=r"Broken ended at its start \(exit status 0\)[\s\S]*no such model"),
        started(Peer("Broken", "none", "bare", start), place(tmp_path, iris_dir), tmp_path / "log"),
    ):
        pass


def test_what_cannot_be_installed_is_said_and_the_others_are_compared(
    iris_dir: Path, results: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    def start(where: Place) -> tuple[Program, str]:
        raise AssertionError

    assert run({"none": Peer("Nobody's", "none", "bare", start)}, 10, iris_dir) == 1
    printed = capfd.readouterr()
    assert "There is no requirements/peers/none.txt\n" in printed.err
    assert "Nobody's: its packages cannot be installed (exit status 1 of tools/install.sh)\n" in printed.err
    assert "our API minus our function" in " ".join(printed.out.split())
    (kept,) = results.runs()
    assert kept.name == "Other servers"
    assert not (ROOT / "build" / "peers" / "none").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gunicorn"], "unknown server 'gunicorn': choose from mlserver, "),
        ([*PEERS], "a comparison has at most 6 endpoints, so choose at most 4 servers"),
    ],
)
def test_a_wrong_choice_of_servers_is_said_before_anything_starts(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    assert message in capsys.readouterr().err
    assert len(DEFAULT) == 4


def ask(name: str, address: str, card: ModelCard, row: tuple[float, ...]) -> Any:
    """The prediction of a server for one row, by a plain request in its own form."""
    if name == "mlserver":
        tensor = {"name": "features", "shape": [1, len(row)], "datatype": "FP64", "data": list(row)}
        reply = httpx.post(f"{address}/infer", json={"inputs": [tensor]}, trust_env=False)
        (output,) = reply.raise_for_status().json()["outputs"]
        return output["data"][0]
    if name == "kserve":
        reply = httpx.post(f"{address}:predict", json={"instances": [list(row)]}, trust_env=False)
        return reply.raise_for_status().json()["predictions"][0]
    reply = httpx.post(address, json=dict(zip(card.feature_names, row, strict=True)), trust_env=False)
    return reply.raise_for_status().json()["prediction"]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ASKED)
def test_a_server_answers_every_preset_as_the_model_does(name: str, iris_dir: Path, tmp_path: Path) -> None:
    model = load_model(iris_dir)
    with started(PEERS[name], place(tmp_path, iris_dir, install(PEERS[name])), tmp_path / "log") as address:
        for preset in model.card.presets:
            (outputs,) = model.predict([preset.values])
            assert ask(name, address, model.card, preset.values) == outputs.index(max(outputs))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_servers_are_measured_beside_our_endpoints_in_one_comparison(
    iris_dir: Path, results: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run({name: PEERS[name] for name in MEASURED}, 20, iris_dir) == 0
    printed = " ".join(capfd.readouterr().out.split())
    for title in ("our API", "our function", "MLServer", "MLServer gRPC", "KServe", "LitServe"):
        assert title in printed
    (kept,) = results.runs()
    assert [one["key"] for one in kept.manifest["endpoints"]] == ["api", "function", *MEASURED]
    samples, _ = load_samples(results, kept.id)
    assert len(samples) >= 6 * 20
    assert set(samples["status"].tolist()) == {200}


def test_make_passes_the_servers_that_are_chosen() -> None:
    command = ["make", "--no-print-directory", "--dry-run", "peers", "PEERS=mlserver litserve"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ".venv/bin/python -m tools.peers mlserver litserve" in done.stdout.splitlines()
