"""Where a start spent its time: phases in order that add up to no more than the process has lived."""

import json
import subprocess
import time
from pathlib import Path

from inference.startup import PHASES, Startup
from tests.servers import PYTHON, ROOT


def test_each_phase_lasts_from_the_end_of_the_one_before() -> None:
    startup = Startup()
    startup.begin()
    time.sleep(0.05)
    startup.end("model")
    startup.end("server")
    model_ms, server_ms = startup.phases_ms["model"], startup.phases_ms["server"]
    assert model_ms is not None
    assert server_ms is not None
    assert model_ms >= 50
    assert server_ms < model_ms


def test_beginning_again_forgets_the_last_time() -> None:
    startup = Startup()
    startup.begin()
    startup.end("model")
    startup.begin()
    assert list(startup.phases_ms) == ["imports"]


def test_a_whole_start_has_all_phases_and_adds_up_to_no_more_than_was_waited(iris_dir: Path) -> None:
    code = (
        "import json; from pathlib import Path; from inference.start import load_app, settle_memory\n"
        f"endpoint = load_app('t', default_model_dir=Path({str(iris_dir)!r}), environ={{'MODEL_RUNTIME': 'onnx'}})\n"
        "settle_memory()\n"
        "print(endpoint.service.respond('GET', '/model-info').body.decode())"
    )
    spawned = time.monotonic()
    done = subprocess.run([PYTHON, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    waited_ms = (time.monotonic() - spawned) * 1000
    phases_ms = json.loads(done.stdout)["serving"]["startup_ms"]
    assert tuple(phases_ms) == PHASES
    assert 0 < sum(value or 0 for value in phases_ms.values()) <= waited_ms
    assert phases_ms["runtime"] > phases_ms["server"]
