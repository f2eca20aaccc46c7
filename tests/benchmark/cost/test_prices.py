"""The price list that is shipped, and that no wrong one gets through."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.cost.prices import PRICES_FILE, FreeTier, PriceError, Rate, load_prices, parse_prices

Change = Callable[[dict[str, Any]], object]


def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(PRICES_FILE.read_bytes())
    return copy.deepcopy(loaded)


def test_the_shipped_prices_are_the_published_ones_of_tier_1() -> None:
    prices = load_prices()
    assert (prices.source, prices.tier, prices.currency) == ("https://cloud.google.com/run/pricing", 1, "USD")
    assert prices.rounding_ms == 100
    request, instance = prices.tariff("request"), prices.tariff("instance")
    assert request.active == Rate(0.000024, 0.0000025)
    assert request.idle == Rate(0.0000025, 0.0000025)
    assert request.million_requests_usd == 0.40
    assert request.free == FreeTier(180_000, 360_000, 2_000_000)
    assert instance.active == Rate(0.000018, 0.000002)
    assert instance.idle is None
    assert instance.million_requests_usd == 0
    assert instance.free == FreeTier(240_000, 450_000, 0)


def test_the_guide_to_deployment_quotes_the_same_prices() -> None:
    guide = (PRICES_FILE.parents[2] / "DEPLOY.md").read_text()
    prices = load_prices()
    for tariff in (prices.request, prices.instance):
        rates = (tariff.active.vcpu_second_usd, tariff.active.gib_second_usd)
        quoted = [f"{rate:.7f}".rstrip("0") for rate in rates]
        assert any(all(f"| {text} |" in line for text in quoted) for line in guide.splitlines()), quoted


WRONG: dict[str, tuple[Change, str]] = {
    "a price of an hour": (
        lambda d: d["request"]["active"].update(vcpu_second_usd=0.0864),
        "request.active.vcpu_second_usd must be the price of one second",
    ),
    "a price of nothing": (
        lambda d: d["instance"]["active"].update(gib_second_usd=0),
        "instance.active.gib_second_usd must be the price of one second",
    ),
    "a negative price": (
        lambda d: d["request"].update(million_requests_usd=-0.4),
        "request.million_requests_usd must be a number",
    ),
    "a price as text": (
        lambda d: d["request"]["idle"].update(gib_second_usd="0.0000025"),
        "request.idle.gib_second_usd must be a number",
    ),
    "not a number": (
        lambda d: d["request"]["free_per_month"].update(requests=float("nan")),
        "request.free_per_month.requests must be a number",
    ),
    "true": (lambda d: d["request"].update(million_requests_usd=True), "request.million_requests_usd must be a number"),
    "idle above active": (
        lambda d: d["request"]["idle"].update(vcpu_second_usd=0.00003),
        "request.idle must not be above request.active",
    ),
    "a missing tariff": (lambda d: d.pop("instance"), "the price list lacks instance"),
    "a missing price": (lambda d: d["request"]["active"].pop("gib_second_usd"), "request.active lacks gib_second_usd"),
    "an unknown field": (lambda d: d["request"].update(discount=0.1), "request has discount, which is not known"),
    "a list for a tariff": (lambda d: d.update(request=[]), "request must be an object"),
    "no date": (lambda d: d.update(as_of="last summer"), "as_of must be a date"),
    "a month that is none": (lambda d: d.update(as_of="2026-13"), "as_of must be a date"),
    "no address": (lambda d: d.update(source="a friend"), "source must be the https address"),
    "another tier, whose free tier is at tier 1's prices": (lambda d: d.update(tier=2), "tier must be 1"),
    "another currency": (lambda d: d.update(currency="EUR"), "currency must be USD"),
    "no regions": (lambda d: d.update(regions=[]), "regions must be a list"),
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
