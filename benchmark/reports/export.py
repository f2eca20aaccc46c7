"""Exports of the record: CSV, JSON, and the percentile log of HdrHistogram."""

import base64
import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import numpy as np
from rich.console import Console

from benchmark.endpoints import readable
from benchmark.endpoints.sample import Comparison, Sample
from benchmark.record.run import Run, RunState
from benchmark.record.samples import (
    FAILURES,
    ROW,
    TEMPERATURES,
    Floats,
    LaterVersion,
    Samples,
    in_order,
    pack,
    response_ms,
    temperatures,
    unpack,
    warm,
)
from benchmark.reports.imported import ImportFault, check, check_samples, read_json
from benchmark.runs import kind_named, kind_of_run

RUN_FORMAT = 2
"""Version of a run as a JSON file. History: 1 the first, 2 samples have their own version."""
MAX_IMPORTED = 1_000_000
"""Maximum number of requests in one file: a small file may claim more than fits into memory."""
_TICKS_PER_HALF = 5


def comparisons_to_csv(
    comparisons: Sequence[Comparison], feature_names: Sequence[str], class_names: Sequence[str]
) -> str:
    """One line per sample, with a column for each input and each part of the answer; times in ms.

    A text that a spreadsheet would read as a formula gets a leading quote.
    """
    measured = [field.name for field in fields(Sample) if field.name != "answer"]
    answered = ["prediction", "label", "confidence", "model_version"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    header = ["comparison", "at_utc", "model", *feature_names, *measured, "temperature", *answered]
    writer.writerow([*header, *(f"probability_{name}" for name in class_names)])
    for comparison in comparisons:
        for sample in comparison.samples:
            answer = sample.answer
            # An earlier model of the same name may have had other features and classes, which get no columns.
            inputs = comparison.inputs if len(comparison.inputs) == len(feature_names) else [None] * len(feature_names)
            row = [comparison.id, comparison.at_utc, comparison.model, *inputs]
            row += [getattr(sample, name) for name in measured]
            row += [str(sample.temperature)]
            row += [getattr(answer, name) if answer else None for name in answered]
            shares = (answer and answer.probabilities) or ()
            row += shares if len(shares) == len(class_names) else [None] * len(class_names)
            writer.writerow([_spreadsheet_safe(value) for value in row])
    return out.getvalue()


def rows_to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with the same columns, with a header; texts as in `comparisons_to_csv`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(rows[0] if rows else ())
    writer.writerows([_spreadsheet_safe(value) for value in row.values()] for row in rows)
    return out.getvalue()


def _spreadsheet_safe(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def samples_to_csv(run: Run, samples: Samples) -> str:
    """One line per request in order of completion; times in ms, empty fields are unknown.

    The temperature uses the evidence of the whole run. A run of several workers has a last column with their names.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    samples = in_order(samples)
    names = [name for name in ROW.names or () if name != "worker"]
    workers = [one.name for one in run.outcome.workers]
    writer.writerow(["run", *names, "response_ms", *(["worker"] if workers else [])])
    keys, instances = run.endpoint_keys, run.outcome.instances
    derived = (response_ms(samples).tolist(), temperatures(samples).tolist())
    for row, response, temperature in zip(samples.tolist(), *derived, strict=True):
        values: dict[str, object] = dict(zip(names, row, strict=False))
        values["endpoint"] = keys[row[0]]
        values["temperature"] = TEMPERATURES[temperature].value
        values["failure"] = FAILURES[row[3] - 1].value if row[3] else ""
        values["instance"] = instances[row[5] - 1] if 0 < row[5] <= len(instances) else ""
        worker = (workers[row[-1] - 1] if row[-1] else "",) if workers else ()
        cells = (_known(value) for value in (*values.values(), response, *worker))
        writer.writerow([run.id, *map(_spreadsheet_safe, cells)])
    return out.getvalue()


def _known(value: object) -> object:
    return "" if isinstance(value, float) and math.isnan(value) else value


def run_to_document(run: Run, samples: Samples) -> dict[str, Any]:
    """A whole run with its samples, as `import_run` reads it."""
    return {
        "faceoff_run": RUN_FORMAT,
        **run.head,
        "outcome": run.outcome,
        "samples": {
            "count": len(samples),
            "packed": base64.b64encode(pack(samples)).decode("ascii"),
        },
    }


def run_from_bytes(data: bytes) -> tuple[Run, Samples]:
    """The run in an untrusted file. Raises ImportFault with a sentence about the file, not about its parser."""
    return run_from_document(read_json(data))


def run_from_document(document: Any) -> tuple[Run, Samples]:
    """The inverse of `run_to_document` for untrusted files; the run is always marked as imported.

    Raises ImportFault, a ValueError, with a sentence.
    """
    if not isinstance(document, dict) or "faceoff_run" not in document:
        raise ImportFault("this file is JSON, but not an exported run")
    version = document["faceoff_run"]
    if type(version) is not int or version < 1:
        raise ImportFault("this file does not say which version exported it")
    if version > RUN_FORMAT:
        raise ImportFault("this file was written by a later version")
    known = check(document)
    try:
        samples = unpack(base64.b64decode(known["samples"]["packed"], validate=True), MAX_IMPORTED)
    except LaterVersion as error:
        raise ImportFault("its samples were written by a later version") from error
    except ValueError as error:
        raise ImportFault("this file is damaged: samples.packed cannot be unpacked") from error
    if len(samples) != known["samples"]["count"]:
        raise ImportFault("this file is damaged: samples.count does not match its samples")
    check_samples(samples, len(known["manifest"]["endpoints"]), len(known["outcome"].get("workers", ())))
    done = kind_named(known["kind"]).count(samples, known["outcome"])
    run = Run(
        known["id"],
        known["kind"],
        readable.name(known["name"]),
        RunState(known["state"]),
        known["started_at_utc"],
        known["manifest"],
        known["outcome"],
        {"done": done, "total": done},
        is_imported=True,
    )
    try:
        datetime.fromisoformat(run.started_at_utc)
        _check_summary(run, samples)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise ImportFault(f"this file is damaged: it cannot be summarised ({error})") from error
    return run, samples


def percentile_log(run: Run, samples: Samples, position: int) -> str:
    """The percentiles of the endpoint at `position` of a run, as `histogram_log` writes them."""
    # In a closed loop, a request is due when it is sent, so this is its service time.
    return histogram_log(response_ms(warm(samples, position)), f"{run.endpoint_keys[position]} of run {run.id}, ms")


def _check_summary(run: Run, samples: Samples) -> None:
    """Check that the run can be summarised and printed."""
    kind = kind_of_run(run)
    kind.print(kind.summarise(run, samples), Console(file=io.StringIO()))


def histogram_log(values_ms: Floats, title: str) -> str:
    """The percentile distribution in the text format of HdrHistogram (.hgrm), which its plotter reads.

    Ticks double in density with every halving of the distance to 100%, with five per halving:
    https://github.com/HdrHistogram/HdrHistogram, `outputPercentileDistribution`.
    """
    ordered = np.sort(values_ms)
    n = len(ordered)
    lines = [f"#[{title}]", f"{'Value':>12} {'Percentile':>14} {'TotalCount':>10} {'1/(1-Percentile)':>14}", ""]
    tick = reached = 0
    while reached < n:
        halvings, part = divmod(tick, _TICKS_PER_HALF)
        # The distance to 100% is a fraction of whole numbers, so that rounding never moves a tick to the next value.
        left, whole = 2 * _TICKS_PER_HALF - part, 2 * _TICKS_PER_HALF << halvings
        value = float(ordered[max(0, n - n * left // whole - 1)])
        reached = int(np.searchsorted(ordered, value, side="right"))
        if reached < n:
            lines.append(f"{value:12.3f} {1 - left / whole:2.12f} {reached:10d} {whole / left:14.2f}")
        tick += 1
    if n:
        lines.append(f"{float(ordered[-1]):12.3f} {1.0:2.12f} {n:10d}")
        mean, deviation = float(ordered.mean()), float(ordered.std())
        lines.append(f"#[Mean    = {mean:12.3f}, StdDeviation   = {deviation:12.3f}]")
        lines.append(f"#[Max     = {float(ordered[-1]):12.3f}, Total count    = {n:12d}]")
    return "\n".join(lines) + "\n"
