"""`python -m benchmark cost`, as it is used."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark.__main__ import main

SMALL = ("cost", "--requests-per-month", "1000000", "--service-ms", "5")


def run(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """What the command writes."""
    path = tmp_path / "cost.json"
    assert main([*SMALL, *arguments, "--json", str(path)]) == 0
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def test_it_writes_gross_net_parts_inputs_and_where_the_prices_are_from(tmp_path: Path) -> None:
    found = run(tmp_path, "--vcpu", "1", "--memory-gib", "0.5", "--concurrency", "1", "--billing", "request")
    assert found["gross_usd"] == pytest.approx(2.925)
    assert found["net_usd"] == 0
    parts = {name: found[name] for name in ("vcpu_usd", "memory_usd", "requests_usd", "idle_usd")}
    assert parts == pytest.approx({"vcpu_usd": 2.4, "memory_usd": 0.125, "requests_usd": 0.4, "idle_usd": 0})
    assert found["inputs"] == {
        "requests_per_month": 1_000_000,
        "service_ms": 5.0,
        "run": None,
        "endpoint": None,
        "service_samples": 1,
        "shape": "steady",
        "startup_ms": 0.0,
        "cold_fraction": 0.0,
        "cpu_ms": None,
        "vcpu": 1.0,
        "memory_gib": 0.5,
        "concurrency": 1,
        "min_instances": 0,
        "billing": "request",
        "region": None,
    }
    assert (found["prices"]["source"], found["prices"]["as_of"]) == ("https://cloud.google.com/run/pricing", "2026-09")
    assert found["prices"]["active"]["vcpu_second_usd"] == 0.000024


def test_it_prints_the_bill(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "--min-instances", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line.split()[1:4] for line in lines if line[:1].islower()}
    assert rows == {
        "vCPU": ["2.4000", "2.4000", "0.0000"],
        "memory": ["0.1250", "0.1250", "0.0000"],
        "requests": ["0.4000", "0.4000", "0.0000"],
        "idle": ["9.3450", "0.0000", "9.3450"],
        "total": ["12.2700", "2.9250", "9.3450"],
    }
    assert "Prices of 2026-09, tier 1 (region unknown): https://cloud.google.com/run/pricing" in lines[-1]


def test_it_says_that_the_life_of_an_idle_instance_is_an_upper_bound(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "--billing", "instance"]) == 0
    assert "for 15 minutes after its last request (an upper bound)" in capsys.readouterr().out
    assert main([*SMALL]) == 0
    assert "upper bound" not in capsys.readouterr().out


def test_below_one_vcpu_the_concurrency_is_one(tmp_path: Path) -> None:
    assert run(tmp_path, "--vcpu", "0.5")["inputs"]["concurrency"] == 1
    assert run(tmp_path)["inputs"]["concurrency"] == 80


def test_processor_time_decides_how_many_instances_there_are(tmp_path: Path) -> None:
    # 386 a second of 10 ms: 3.86 of a processor, or 0.386.
    path = tmp_path / "cost.json"
    billion = ("cost", "--requests-per-month", "1000000000", "--service-ms", "10", "--json", str(path))
    assert main([*billion]) == 0
    assert json.loads(path.read_text())["instances"] == 7
    assert main([*billion, "--cpu-ms", "1"]) == 0
    assert json.loads(path.read_text())["instances"] == 1


def test_every_option_reaches_the_bill(tmp_path: Path) -> None:
    options = ("--shape", "bursts", "--billing", "instance", "--vcpu", "2", "--memory-gib", "1")
    starts = ("--startup-ms", "2000", "--cold-fraction", "0.5")
    found = run(tmp_path, *options, *starts)
    # 720 hours of 16 min less a gap, of 2 vCPU; and 500 000 starts of 2 s.
    assert found["vcpu_usd"] == pytest.approx((720 * 960 + 1_000_000) * 2 * 0.000018, rel=0.01)
    assert found["inputs"]["shape"] == "bursts"


def test_a_file_gives_the_shape_and_the_number_of_requests(tmp_path: Path) -> None:
    minutes = tmp_path / "minutes.csv"
    minutes.write_text("requests\n" + "60\n" * 5 + "0\n" * 55)
    path = tmp_path / "cost.json"
    assert main(["cost", "--shape", str(minutes), "--service-ms", "5", "--json", str(path)]) == 0
    found = json.loads(path.read_text())
    # 300 in each of 720 hours.
    assert found["inputs"]["requests_per_month"] == 216_000
    assert found["inputs"]["shape"] == "minutes.csv"
    assert found["active_s"] == pytest.approx(21_600)
    assert main([*SMALL, "--shape", str(minutes), "--json", str(path)]) == 0
    assert json.loads(path.read_text())["inputs"]["requests_per_month"] == 1_000_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--service-ms", "5"), "--requests-per-month is required"),
        (("--requests-per-month", "9", "--service-ms", "0"), "service times must be above 0"),
        (
            ("--requests-per-month", "9", "--service-ms", "5", "--vcpu", "0.5", "--concurrency", "2"),
            "concurrency of 1 only",
        ),
        (("--requests-per-month", "9", "--service-ms", "5", "--shape", "flat"), "neither steady, office, bursts nor"),
        (
            ("--requests-per-month", "9", "--service-ms", "5", "--shape", "nowhere.csv"),
            "a file that can be read: No such file or directory\n",
        ),
        (("--requests-per-month", "9", "--run", "nobody"), "there is no run nobody"),
        (
            ("--requests-per-month", "9", "--service-ms", "5", "--json", "/nowhere/cost.json"),
            "--json /nowhere/cost.json: ",
        ),
    ],
)
def test_what_cannot_be_computed_ends_with_status_2_and_a_reason(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cost", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_file_with_a_wrong_line_is_refused_by_the_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    minutes = tmp_path / "minutes.csv"
    minutes.write_text("1\ntwo\n")
    assert main([*SMALL, "--shape", str(minutes)]) == 2
    assert "line 2 has no number" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [(), ("--service-ms", "5", "--run", "one")], ids=["neither", "both"])
def test_service_times_are_given_or_measured(arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["cost", "--requests-per-month", "9", *arguments])
    assert end.value.code == 2
