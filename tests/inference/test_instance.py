"""What an instance says of itself: a new one per process, also after a fork, and an age that is never overstated."""

import json
import os
import subprocess
import sys
import time

import pytest

from inference.instance import Instance
from tests.servers import PYTHON, ROOT


def test_two_instances_have_different_ids() -> None:
    assert len({Instance().id for _ in range(100)}) == 100


def test_an_instance_starts_with_no_requests() -> None:
    assert Instance().request_count == 0


def test_the_age_runs_as_the_clock_does() -> None:
    instance = Instance()
    before = time.monotonic_ns()
    first = instance.age_ms()
    second = instance.age_ms()
    passed_ms = (time.monotonic_ns() - before) / 1e6
    assert 0 <= second - first <= passed_ms


def test_the_age_is_the_processs_and_not_more() -> None:
    code = (
        "import time; started = time.monotonic(); time.sleep(0.1)\n"
        "from inference.instance import Instance\n"
        "age = Instance().age_ms(); print(age, (time.monotonic() - started) * 1000)"
    )
    spawned = time.monotonic()
    done = subprocess.run([PYTHON, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    waited_ms = (time.monotonic() - spawned) * 1000
    age_ms, since_first_line_ms = map(float, done.stdout.split())
    assert 0 <= age_ms <= waited_ms
    if process_start_is_known():
        assert age_ms > since_first_line_ms - 10.1  # a tick is cut off, in favour of a younger instance


def process_start_is_known() -> bool:
    """Whether the system tells when a process was started, on a clock that this one can read too."""
    code = (
        "import os, time; fields = open('/proc/self/stat').read().rpartition(')')[2].split()\n"
        "print(time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf('SC_CLK_TCK'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.returncode == 0 and 0 < float(done.stdout) < 50


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_worker_is_an_instance_of_its_own() -> None:
    code = (
        "import json, os\n"
        "from inference.instance import Instance\n"
        "instance = Instance(); instance.request_count = 7\n"
        "reader, writer = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    os.write(writer, json.dumps([instance.id, instance.request_count]).encode()); os._exit(0)\n"
        "os.wait()\n"
        "print(json.dumps([[instance.id, instance.request_count], json.loads(os.read(reader, 100))]))"
    )
    done = subprocess.run([PYTHON, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    (parent_id, parent_count), (child_id, child_count) = json.loads(done.stdout)
    assert parent_id != child_id
    assert (parent_count, child_count) == (7, 0)
