"""A phase of timing is added in two places, the columns and the engine that times it, and old records stay readable."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.engine.wire import Exchange
from benchmark.record.samples import PHASES, VERSION
from tests.servers import ROOT

NEXT = VERSION + 1
ADDED = f"""
import importlib.machinery, json, sys
from pathlib import Path

PLACES = {{
    "benchmark/record/samples.py": ('("receive_ms", 1),', '("receive_ms", 1), ("close_ms", {NEXT}),'),
    "benchmark/engine/wire.py": (
        '"receive_ms": _span_ms(self.answered_ns, ended_ns),',
        '"receive_ms": _span_ms(self.answered_ns, ended_ns), "close_ms": 0.25,',
    ),
}}
read = importlib.machinery.SourceFileLoader.get_data
def get_data(self, path):
    data = read(self, path)
    for place, (line, lines) in PLACES.items():
        if path.endswith(place):
            assert line.encode() in data, place
            data = data.replace(line.encode(), lines.encode())
    return data
importlib.machinery.SourceFileLoader.get_data = get_data
sys.pycache_prefix = "/nowhere"  # no code that was compiled before
"""
READ = """
import numpy as np
from benchmark.engine.wire import Exchange
from benchmark.record import samples as record
from benchmark.reports.export import run_from_document, samples_to_csv
from benchmark.summary.summarise import summarise, to_document

run, samples = run_from_document(json.loads(Path(sys.argv[1]).read_text()))
timed = samples.copy()
timed["close_ms"] = 0.5
row = record.from_rows([(0,) * 11 + record.phase_values(Exchange().spans_ms(0)) + (0.0, 1.0, 2.0, 0)])[0]
print(json.dumps({
    "version": record.VERSION,
    "unknown": bool(np.isnan(samples["close_ms"]).all()),
    "kept": record.unpack(record.pack(timed)).tobytes() == timed.tobytes(),
    "row": [float(row["close_ms"]), float(row["request_count"])],
    "csv": samples_to_csv(run, timed).splitlines()[0].split(","),
    "phases": [side["phases_ms"] for side in to_document(summarise(run, timed))["endpoints"].values()],
}))
"""


def test_the_engine_times_every_phase_of_the_record() -> None:
    assert tuple(Exchange().spans_ms(0)) == PHASES


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_two_places_add_a_phase_and_old_records_stay_readable(version: int) -> None:
    exported = Path(ROOT, "tests", "data", f"samples-v{version}", "load.json")
    done = subprocess.run(
        [sys.executable, "-B", "-c", ADDED + READ, str(exported)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["version"] == NEXT
    assert found["unknown"] and found["kept"]
    assert found["row"] == [0.25, 1.0]
    assert "close_ms" in found["csv"]
    assert [phases["close"] for phases in found["phases"]] == [0.5, 0.5]
