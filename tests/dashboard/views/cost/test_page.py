"""The Cost page in a session without a browser."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from benchmark.endpoints.endpoint import Endpoint
from dashboard import resources
from tests.dashboard.page import Page


class CostPage(Page):
    """A session that shows the Cost page alone; that it is reached by its address is for a browser to show."""

    def __init__(self) -> None:
        self.app = AppTest.from_string("from dashboard.views.cost import page; page.page()", default_timeout=60)

    def set(self, key: str, value: Any) -> "CostPage":
        widgets = [*self.app.number_input, *self.app.selectbox]
        (widget,) = [one for one in widgets if one.key == key]
        widget.set_value(value)
        self.rerun()
        return self

    def lines(self) -> dict[str, dict[str, Any]]:
        return {trace["name"]: trace for trace in self.figure("break-even")["data"]}


Visit = Callable[..., Page]
with_charts = pytest.mark.usefixtures("charts_wanted")


@pytest.fixture
def page(visit: Visit) -> CostPage:
    """The Cost page with no endpoint there: it needs none."""
    visit("http://127.0.0.1:9", "http://127.0.0.1:9")
    page = CostPage()
    page.open()
    return page


@with_charts
def test_it_starts_with_both_endpoints_alike_and_needs_neither(page: CostPage) -> None:
    # 5 000 000 x 0.1 s: 12.00 + 0.625 + 2.00; free 4.32 + 0.625 + 0.80.
    assert (
        page.metrics("api") == page.metrics("function") == {"Net (USD / month)": "8.88", "Gross (USD / month)": "14.62"}
    )
    assert page.bars("api") == ["**12.00** vCPU", "**0.62** Memory", "**2.00** Requests", "**0.00** Idle"]
    assert "The bills are the same at 5 million requests a month." in page.read("verdict")
    assert "From 16.8 million requests a month, FastAPI, instance-based costs less" in page.read("crossings")
    assert not page.warnings()


def test_the_platforms_own_defaults_are_a_preset(page: CostPage) -> None:
    page.choose("As the platforms deploy them")
    assert page.app.selectbox(key="function_vcpu").value == 0.1666
    assert page.app.selectbox(key="function_memory_gib").value == 0.25
    assert page.app.number_input(key="function_concurrency").value == 1
    # 500 000 s x (0.1666 x 0.000024 + 0.25 x 0.0000025) + 2.00 = 1.9992 + 0.3125 + 2.00.
    assert page.metrics("function")["Gross (USD / month)"] == "4.31"
    assert page.metrics("api")["Gross (USD / month)"] == "14.62"
    assert "Cloud Function costs less" in page.read("verdict")
    # On a sixth of a vCPU it is no longer 20 ms.
    assert "The same work takes longer on a smaller share of a vCPU" in page.read("inputs-configurations")
    page.set("function_service_ms", 120.0)
    assert "The same work takes longer" not in page.read("inputs-configurations")
    page.set("function_service_ms", 20.0)
    page.choose("Same size")
    assert page.metrics("function") == page.metrics("api")


@with_charts
def test_a_setting_changes_its_own_endpoints_bill_and_line(page: CostPage) -> None:
    before = page.lines()
    page.set("function_billing", "instance")
    assert page.metrics("function")["Gross (USD / month)"] == "49.25"
    assert page.metrics("api")["Gross (USD / month)"] == "14.62"
    after = page.lines()
    assert after["FastAPI, request-based"]["y"] == before["FastAPI, request-based"]["y"]
    assert "Cloud Function, instance-based" in after


def test_every_input_reaches_the_bill(page: CostPage) -> None:
    for key, value in (
        ("cost_requests", 1_000_000),
        ("api_service_ms", 150.0),
        ("api_vcpu", 2),
        ("api_memory_gib", 1),
        ("api_concurrency", 1),
        ("api_min_instances", 1),
        ("api_startup_ms", 2000.0),
        ("api_cold_percent", 1.0),
    ):
        page.set(key, value)
    # 150 ms -> 200 ms; 10 000 starts of 2 s more: 220 000 s of 2 vCPU and 1 GiB.
    # 440 000 x 0.000024 = 10.56, 220 000 x 0.0000025 = 0.55, 0.40; idle 2 392 000 s x 3 x 0.0000025 = 17.94.
    assert page.bars("api") == ["**10.56** vCPU", "**0.55** Memory", "**0.40** Requests", "**17.94** Idle"]


def test_a_region_of_tier_2_has_its_prices_and_an_unknown_one_is_said(page: CostPage) -> None:
    assert "region not reported: tier 1" in page.read("card-api")
    page.set("api_region", "europe-west3")
    # 500 000 s x (0.0000336 + 0.5 x 0.0000035) + 2.00; free are 4.32, 0.875 and 0.80.
    assert page.metrics("api")["Net (USD / month)"] == "13.68"
    assert float(page.metrics("api")["Gross (USD / month)"]) == pytest.approx(19.675, abs=0.006)
    assert "europe-west3, tier 2" in page.read("card-api")
    assert page.metrics("function")["Gross (USD / month)"] == "14.62"


@with_charts
def test_what_the_platform_does_not_offer_is_said_in_the_card_and_the_other_bill_stays(page: CostPage) -> None:
    page.set("function_vcpu", 0.1666)
    assert "Below 1 vCPU the platform allows a concurrency of 1 only." in page.read("card-function")
    assert page.metrics("api")["Gross (USD / month)"] == "14.62"
    assert "No comparison" in page.read("verdict")
    assert set(page.lines()) >= {"FastAPI, request-based", "FastAPI, instance-based"}
    page.set("api_vcpu", 0.1666)
    assert not page.has("chart-break-even")


@with_charts
def test_the_chart_is_described_in_words_and_named_as_what_it_shows(page: CostPage) -> None:
    chart: Any = page.app.get_by_key("figure-break-even")
    assert json.loads(chart.proto.spec)["layout"]["yaxis"]["title"]["text"] == "USD a month (log scale)"
    assert chart.proto.alt.startswith("Gross cost in USD a month over requests a month, from 10")
    assert "From 16.8 million requests a month" in chart.proto.alt


def test_until_charts_are_asked_for_the_chart_is_its_words_and_stays_once_it_is_there(page: CostPage) -> None:
    assert not page.has("figure-break-even")
    assert "From 16.8 million requests a month, FastAPI, instance-based costs less" in page.read("chart-break-even")
    page.press("Show the charts")
    assert page.has("figure-break-even")
    page.set("api_vcpu", 2)
    assert page.has("figure-break-even")
    assert "Show the charts" not in page.read()


def test_prices_have_a_date_and_a_source_and_wrong_claims_are_answered(page: CostPage) -> None:
    prices = page.read("note-prices")
    assert "2026-09" in prices and "request-based, tier 1" in prices and "request-based, tier 2" in prices
    assert "https://cloud.google.com/run/pricing" in prices
    claims = page.read("note-claims")
    assert "Cloud Run costs 0.000024 USD per request" in claims
    assert "8 times less" in claims


@with_charts
def test_an_address_restores_its_values(visit: Visit) -> None:
    visit("http://127.0.0.1:9", "http://127.0.0.1:9")
    page = CostPage()
    page.open(cost_requests="10000000", cost_traffic="Bursts", api_billing="instance", cost_basis="Net")
    # 231 a second of 20 ms are 4.6 at a time, 8 instances at 60 %: 720 hours of 16 minutes of each, 8 x 691 200 s.
    assert float(page.metrics("api")["Gross (USD / month)"]) == pytest.approx(8 * 691_200 * 0.000019, abs=0.02)
    chart: Any = page.app.get_by_key("figure-break-even")
    assert chart.proto.alt.startswith("Net cost")


# --- Other numbers of endpoints


@pytest.fixture
def page_of(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], CostPage]:
    """The Cost page of so many endpoints, which are called one, two and so on."""
    visit("http://127.0.0.1:9", "http://127.0.0.1:9")
    usual = resources.settings()

    def page_of(count: int) -> CostPage:
        names = ("one", "two", "three", "four", "five", "six")[:count]
        endpoints: Any = tuple(Endpoint(name, name.capitalize(), "http://127.0.0.1:9") for name in names)
        monkeypatch.setattr(resources, "settings", lambda: replace(usual, endpoints=endpoints))
        page = CostPage()
        page.open()
        return page

    return page_of


@with_charts
def test_one_endpoint_has_its_bill_and_no_comparison(page_of: Callable[[int], CostPage]) -> None:
    page = page_of(1)
    assert page.metrics("one")["Net (USD / month)"] == "8.88"
    assert "8.88 USD a month] One, after the free tier, at 5 million requests." in page.read("verdict")
    page.set("one_billing", "instance")
    assert "One, instance-based" in page.lines() and "One, request-based" in page.lines()


@with_charts
def test_six_endpoints_have_their_own_settings_bills_and_lines(page_of: Callable[[int], CostPage]) -> None:
    page = page_of(6)
    assert [tab.label for tab in page.app.tabs] == ["One", "Two", "Three", "Four", "Five", "Six"]
    assert "Same cost" in page.read("verdict")
    page.set("four_memory_gib", 4)
    page.set("six_concurrency", 1)
    page.set("six_vcpu", 0.5833)
    page.set("two_billing", "instance")
    bills = {key: page.metrics(key)["Net (USD / month)"] for key in ("one", "two", "three", "four", "five", "six")}
    assert bills["one"] == bills["three"] == bills["five"] == "8.88"
    assert len(set(bills.values())) == 4
    assert "Six costs least" in page.read("verdict") and "than One, the next," in page.read("verdict")
    assert len([name for name in page.lines() if name != "break-even"]) == 6
    page.choose("Same size")
    assert {page.metrics(key)["Net (USD / month)"] for key in bills} == {"8.88"}


def test_of_three_a_configuration_that_is_not_offered_leaves_the_others_compared(
    page_of: Callable[[int], CostPage],
) -> None:
    page = page_of(3)
    page.set("two_vcpu", 0.1666)
    page.set("three_vcpu", 2)
    assert "One costs least" in page.read("verdict") and "No bill: Two." in page.read("verdict")
    assert "No bill" in page.read("card-two")
