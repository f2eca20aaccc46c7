"""`make peers` (`python -m tools.peers [NAME ...]`): other servers of the same model, compared with our two endpoints.

Each gets the environment of its pins in build/peers/, serves the artifact's model.joblib on a port that the system
picks, and is stopped at the end. One comparison of all of them is printed and kept in the record. A server that cannot
be installed or started is reported, and the others are compared without it.
"""

import argparse
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmark.endpoints.configured import MOST
from benchmark.endpoints.endpoint import env_prefix
from inference.model import ArtifactError, load_model
from tools.deployed import deploy
from tools.peers.servers import DEFAULT, PEERS, ROOT, Peer, Place
from tools.processes import NotServing, Server, all_serving, bare_environ
from tools.supervisor import StartError

OURS = {"api": "our API", "function": "our function"}
HOME = ROOT / "build" / "peers"
PAIRS = 500
START_S = 120.0
_KEPT = ("COLUMNS", "RESULTS_DIR", "TERM")
"""What the comparison takes from the environment."""


class PeerError(Exception):
    """A server cannot be installed, or the model cannot be given to any; the message says why."""


def install(peer: Peer) -> Path:
    """Bring the environment of `peer` to its pins; returns its Python. Raises PeerError."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / f"{peer.environment}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # for two that begin at once
        done = subprocess.run([ROOT / "tools" / "install.sh", f"peers/{peer.environment}"], check=False)  # noqa: S603
    if done.returncode:
        raise PeerError(f"its packages cannot be installed (exit status {done.returncode} of tools/install.sh)")
    return HOME / peer.environment / "bin" / "python"


@contextmanager
def started(peer: Peer, place: Place, log: Path) -> Iterator[str]:
    """The address of `peer`, healthy; stopped at the end. Raises NotServing and OSError."""
    place.directory.mkdir(parents=True)
    program, address = peer.start(place)
    server = Server(program, log)
    server.start()
    try:
        server.wait_until_healthy(START_S)
        yield address
    finally:
        server.stop()


@contextmanager
def ours(model_dir: Path, directory: Path, logs: Path) -> Iterator[dict[str, str]]:
    """The addresses of the API and the function as deployed, healthy. Raises NotServing, StartError and OSError."""
    with all_serving(deploy(directory, model_dir).endpoints, logs) as servers:
        yield dict(zip(OURS, (server.url for server in servers), strict=True))


def compare(addresses: Mapping[str, str], peers: Mapping[str, Peer], pairs: int, model_dir: Path) -> int:
    """Compare the endpoints at `addresses`, by name; print and keep the result. Returns the exit status."""
    command = [sys.executable, "-m", "benchmark", "compare", "--pairs", str(pairs), "--name", "Other servers"]
    environ = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environ = {**bare_environ(), **environ, "MODEL_DIR": str(model_dir)}
    for name, address in addresses.items():
        command += ["--endpoint", f"{name}={address}"]
        if name in peers:
            command += ["--protocol", f"{name}={peers[name].protocol}"]
        environ[f"{env_prefix(name)}_NAME"] = peers[name].title if name in peers else OURS[name]
    with subprocess.Popen(command, cwd=ROOT, env=environ) as process:  # noqa: S603
        try:
            return process.wait()
        except BaseException:
            process.terminate()  # it notes in the record that it was cancelled
            raise


def run(peers: Mapping[str, Peer], pairs: int, model_dir: Path) -> int:
    """Install, start and compare servers, by name; returns the exit status: 0 where all of them were compared.

    Raises PeerError for a model of anything but numbers, and ArtifactError, StartError, NotServing and OSError where
    our own endpoints cannot be started.
    """
    card = load_model(model_dir).card  # hashes every file, before other servers load the pickle
    if not card.is_numeric:
        raise PeerError(f"{card.title} has categories or missing values; other servers get numbers only")
    logs = HOME / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="faceoff-peers-") as scratch, ExitStack() as running:
        addresses = running.enter_context(ours(model_dir, Path(scratch, "ours"), logs))
        for name, peer in peers.items():
            try:
                place = Place(model_dir, card, install(peer), Path(scratch, name))
                addresses[name] = running.enter_context(started(peer, place, logs / f"{name}.log"))
            except (PeerError, NotServing, OSError, subprocess.TimeoutExpired) as error:
                print(f"{peer.title}: {error}", file=sys.stderr, flush=True)
        status = compare(addresses, peers, pairs, model_dir)
        return status or int(not peers.keys() <= addresses.keys())


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the arguments and run; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.peers", description="Compare other servers with ours.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(PEERS)} (default {', '.join(DEFAULT)})")
    parser.add_argument("--pairs", type=int, default=PAIRS, metavar="N", help=f"measured rounds (default {PAIRS})")
    given = parser.parse_args(arguments)
    names = list(dict.fromkeys(given.names or DEFAULT))
    if unknown := [name for name in names if name not in PEERS]:
        parser.error(f"unknown server {unknown[0]!r}: choose from {', '.join(PEERS)}")
    if len(OURS) + len(names) > MOST:
        parser.error(f"a comparison has at most {MOST} endpoints, so choose at most {MOST - len(OURS)} servers")
    # Ends what was started, as Ctrl+C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    model_dir = Path(os.environ.get("MODEL_DIR") or ROOT / "artifacts" / "iris").absolute()
    try:
        return run({name: PEERS[name] for name in names}, given.pairs, model_dir)
    except (ArtifactError, PeerError, StartError, NotServing, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
