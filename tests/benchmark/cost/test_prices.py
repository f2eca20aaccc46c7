"""The price list that is shipped, and that no wrong one gets through."""

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest

from benchmark.__main__ import main
from benchmark.cost.prices import LISTS_DIR, PriceError, Rate, find_prices, load_prices, parse_prices, price_lists

NEWEST = list(price_lists().values())[-1]
Change = Callable[[dict[str, Any]], object]


def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(NEWEST.read_bytes())
    return copy.deepcopy(loaded)


def test_the_shipped_prices_are_the_published_ones_of_tier_1() -> None:
    prices = load_prices()
    assert (prices.source, prices.currency) == ("https://cloud.google.com/run/pricing", "USD")
    assert prices.rounding_ms == 100
    tier = prices.tier("europe-west1")
    assert tier.number == 1 and tier == prices.tier()
    request, instance = tier.tariff("request"), tier.tariff("instance")
    assert request.active == Rate(0.000024, 0.0000025)
    assert request.idle == Rate(0.0000025, 0.0000025)
    assert request.million_requests_usd == 0.40
    assert astuple(request.free) == pytest.approx((180_000, 360_000, 2_000_000, 4.32, 0.9, 0.8))
    assert instance.active == Rate(0.000018, 0.000002)
    assert instance.idle is None
    assert instance.million_requests_usd == 0
    assert astuple(instance.free) == pytest.approx((240_000, 450_000, 0, 4.32, 0.9, 0))


def test_tier_2_has_its_own_prices_and_the_free_tier_of_tier_1() -> None:
    prices = load_prices()
    tier = prices.tier("europe-west3")
    assert tier.number == 2
    assert tier.request.active == Rate(0.0000336, 0.0000035) and tier.request.idle == Rate(0.0000035, 0.0000035)
    assert tier.request.million_requests_usd == 0.40
    assert tier.instance.active == Rate(0.0000216, 0.0000024)
    assert (tier.request.free, tier.instance.free) == (prices.tier().request.free, prices.tier().instance.free)


def test_a_region_without_published_prices_is_refused_by_its_name() -> None:
    with pytest.raises(PriceError, match="no prices for the region mars-north1"):
        load_prices().tier("mars-north1")


def test_no_region_is_in_two_tiers() -> None:
    prices = load_prices()
    assert len(prices.regions) == len(set(prices.regions)) == 40
    twice = document()
    twice["tiers"][1]["regions"].append("us-central1")
    with pytest.raises(PriceError, match=r"tier 2\.regions has us-central1, which is also in another tier"):
        parse_prices(twice)


def test_the_guide_to_deployment_quotes_the_same_prices() -> None:
    guide = (LISTS_DIR.parents[2] / "DEPLOY.md").read_text()
    prices = load_prices()
    for tariff in (prices.tier().request, prices.tier().instance):
        rates = (tariff.active.vcpu_second_usd, tariff.active.gib_second_usd)
        quoted = [f"{rate:.7f}".rstrip("0") for rate in rates]
        assert any(all(f"| {text} |" in line for text in quoted) for line in guide.splitlines()), quoted


WRONG: dict[str, tuple[Change, str]] = {
    "a price of an hour": (
        lambda d: d["tiers"][0]["request"]["active"].update(vcpu_second_usd=0.0864),
        "tier 1.request.active.vcpu_second_usd must be the price of one second",
    ),
    "a price of nothing": (
        lambda d: d["tiers"][0]["instance"]["active"].update(gib_second_usd=0),
        "tier 1.instance.active.gib_second_usd must be the price of one second",
    ),
    "a negative price": (
        lambda d: d["tiers"][0]["request"].update(million_requests_usd=-0.4),
        "tier 1.request.million_requests_usd must be a number",
    ),
    "a price as text": (
        lambda d: d["tiers"][0]["request"]["idle"].update(gib_second_usd="0.0000025"),
        "tier 1.request.idle.gib_second_usd must be a number",
    ),
    "not a number": (
        lambda d: d["free_per_month"]["request"].update(requests=float("nan")),
        "free_per_month.request.requests must be a number",
    ),
    "true": (
        lambda d: d["tiers"][0]["request"].update(million_requests_usd=True),
        "tier 1.request.million_requests_usd must be a number",
    ),
    "idle above active": (
        lambda d: d["tiers"][0]["request"]["idle"].update(vcpu_second_usd=0.00003),
        "tier 1.request.idle must not be above tier 1.request.active",
    ),
    "a missing tariff": (lambda d: d["tiers"][1].pop("instance"), "tier 2 lacks instance"),
    "a missing price": (
        lambda d: d["tiers"][0]["request"]["active"].pop("gib_second_usd"),
        "tier 1.request.active lacks gib_second_usd",
    ),
    "an unknown field": (
        lambda d: d["tiers"][0]["request"].update(discount=0.1),
        "tier 1.request has discount, which is unknown",
    ),
    "a list for a tariff": (lambda d: d["tiers"][0].update(request=[]), "tier 1.request must be an object"),
    "no date": (lambda d: d.update(as_of="last summer"), "as_of must be a date"),
    "a month that is none": (lambda d: d.update(as_of="2026-13"), "as_of must be a date"),
    "no address": (lambda d: d.update(source="a friend"), "source must be the https address"),
    "no tier 1": (lambda d: d["tiers"].pop(0), "tiers must be numbered from 1"),
    "another currency": (lambda d: d.update(currency="EUR"), "currency must be USD"),
    "no regions": (lambda d: d["tiers"][0].update(regions=[]), "tier 1.regions must be a list"),
    "no tiers": (lambda d: d.update(tiers=[]), "tiers must be a list"),
    "nothing that it was checked against": (
        lambda d: d["tiers"][1].update(checked_against=""),
        "tier 2.checked_against must be a text",
    ),
    "no rounding": (lambda d: d.update(rounding_ms=0), "rounding_ms must be above 0"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_price_list_is_refused_by_the_name_of_the_field(change: Change, message: str) -> None:
    wrong = document()
    change(wrong)
    with pytest.raises(PriceError, match=message.replace(".", r"\.")):
        parse_prices(wrong)


@pytest.mark.parametrize("content", [None, b"{", b"\xff"], ids=["absent", "cut off", "no text"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "prices.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PriceError, match=r"^prices\.json: "):
        load_prices(path)


# --- A region or a list is data


def test_a_region_is_added_to_the_file_and_has_its_bill(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = document()
    changed["tiers"][1]["regions"].append("mars-north1")
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(changed))
    asked = ["cost", "--requests-per-month", "5000000", "--service-ms", "20", "--region", "mars-north1"]
    assert main(asked) == 2
    assert "no prices for the region mars-north1" in capsys.readouterr().err
    assert main([*asked, "--prices", str(path)]) == 0
    assert "tier 2 (mars-north1)" in capsys.readouterr().out


def test_a_list_is_one_more_file_and_the_newest_is_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "price_lists"
    shutil.copytree(LISTS_DIR, folder)
    doubled = document()
    doubled["as_of"] = "2031-02"
    doubled["tiers"][0]["request"]["million_requests_usd"] = 0.80
    (folder / "cloud-run-2031-02.json").write_text(json.dumps(doubled))
    assert list(price_lists(folder)) == ["cloud-run-2026-09", "cloud-run-2031-02"]
    monkeypatch.setattr("benchmark.cost.prices.LISTS_DIR", folder)
    assert load_prices().as_of == "2031-02"
    asked = ["cost", "--requests-per-month", "5000000", "--service-ms", "20"]
    assert main(asked) == 0
    assert "Prices of 2031-02" in capsys.readouterr().out
    assert main([*asked, "--prices", "cloud-run-2026-09"]) == 0
    assert "Prices of 2026-09" in capsys.readouterr().out


def test_a_list_that_is_not_there_is_refused_by_the_names_of_those_that_are() -> None:
    with pytest.raises(PriceError, match=r"unknown price list or file mars; the price lists are cloud-run-2026-09"):
        find_prices("mars")


def test_without_any_list_it_says_where_one_belongs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.cost.prices.LISTS_DIR", tmp_path)
    with pytest.raises(PriceError, match="has no price list"):
        load_prices()
