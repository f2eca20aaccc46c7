"""Sentences about bills."""

from dataclasses import replace

import pytest

from benchmark.cost.bill import EQUAL, Cost, Crossing
from benchmark.cost.prices import load_prices
from dashboard.views.cost import text as cost_text

PRICES = load_prices()
NAMES = ("FastAPI", "Cloud Function")
BILL = Cost(
    vcpu_usd=6.0,
    memory_usd=1.0,
    requests_usd=2.0,
    idle_usd=1.0,
    free_vcpu_usd=4.0,
    free_memory_usd=1.0,
    free_requests_usd=1.0,
    active_s=100_000.0,
    idle_s=0.0,
    instances=1,
)


def spaced(text: str) -> str:
    return text.replace("\N{NARROW NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.00"), (0.004, "< 0.01"), (0.005, "0.01"), (9.999, "10.00"), (1234.5, "1 234.50"), (2e6, "2 000 000.00")],
)
def test_amounts_have_cents_and_no_cost_is_shown_as_nothing(value: float, text: str) -> None:
    assert spaced(cost_text.usd(value)) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "1"),
        (250_000, "250 000"),
        (999_400, "999 400"),
        (999_900, "999 900"),
        (16_836_924, "16.8 million"),
        (5e9, "5 billion"),
    ],
)
def test_numbers_of_requests_are_read_at_a_glance(number: float, text: str) -> None:
    assert spaced(cost_text.count(number)) == text


def test_the_conditions_name_what_was_billed() -> None:
    assert spaced(cost_text.conditions(BILL, EQUAL, PRICES)) == (
        "100 000 s billed · 1 instance at most · 6.00 USD of it free · region not reported: tier 1"
    )
    more = cost_text.conditions(replace(BILL, idle_s=5e6, instances=3), replace(EQUAL, region="europe-west3"), PRICES)
    assert spaced(more) == (
        "100 000 s billed + 5 million s idle · 3 instances at most · 6.00 USD of it free · europe-west3, tier 2"
    )
    alive = cost_text.conditions(BILL, replace(EQUAL, billing="instance"), PRICES)
    assert "each kept for 15 minutes after its last request: an upper bound" in alive


def test_the_verdict_names_the_cheaper_one_and_by_how_much() -> None:
    found = cost_text.verdict(NAMES, (BILL, replace(BILL, vcpu_usd=10.0)), 5_000_000)
    # 4.00 net against 8.00.
    assert found.headline == "FastAPI costs less"
    assert found.sentence == "4.00 USD a month less (50%) after the free tier, at 5 million requests."
    assert cost_text.verdict(NAMES, (replace(BILL, vcpu_usd=10.0), BILL), 1).headline == "Cloud Function costs less"


def test_where_both_are_free_the_bills_before_the_free_tier_are_compared() -> None:
    free = replace(BILL, idle_usd=0.0, free_vcpu_usd=6.0, free_requests_usd=2.0)
    dearer = replace(free, vcpu_usd=12.0, free_vcpu_usd=12.0)
    found = cost_text.verdict(NAMES, (dearer, free), 1000)
    assert found.headline == "Cloud Function costs less"
    assert spaced(found.sentence) == (
        "Both are free. 6.00 USD a month less (40%) before the free tier, at 1 000 requests."
    )
    assert cost_text.verdict(NAMES, (free, free), 1000).sentence.startswith("Both are free at")


def test_equal_bills_are_no_difference() -> None:
    found = cost_text.verdict(NAMES, (BILL, replace(BILL, vcpu_usd=6.001)), 1_000_000)
    assert (found.outcome, found.headline) == ("agree", "Same cost")
    assert found.sentence == "The bills are the same at 1 million requests a month."


@pytest.mark.parametrize("costs", [(None, BILL), (BILL, None), (None, None)])
def test_without_two_bills_nothing_is_compared(costs: tuple[Cost | None, Cost | None]) -> None:
    assert cost_text.verdict(NAMES, costs, 1).outcome == "unknown"


def test_a_crossing_is_named_with_its_number_and_both_sides() -> None:
    sentence = cost_text.crossing("A", "B", Crossing(16_836_924, 49.248, True))
    assert sentence == "From 16.8 million requests a month, A costs less than B (49.25 USD there)."


def test_the_table_of_prices_has_every_price() -> None:
    table = spaced(cost_text.prices_table(PRICES))
    assert "| request-based, tier 1 | 0.000024 | 0.0000025 | 0.40 |" in table
    assert "| request-based, tier 2 | 0.0000336 | 0.0000035 | 0.40 |" in table
    assert "| idle minimum instance, tier 1 | 0.0000025 | 0.0000025 | |" in table
    assert "| free each month, request-based | 180 000 s | 360 000 s | 2 million |" in table
    assert "| instance-based, tier 1 | 0.000018 | 0.000002 | none |" in table
    assert "| free each month, instance-based | 240 000 s | 450 000 s |  |" in table


def test_wrong_claims_are_answered_from_the_prices() -> None:
    answers = dict(cost_text.claims(PRICES))
    per_request = answers["Cloud Run costs 0.000024 USD per request"]
    # 0.1 x (0.000024 + 0.5 x 0.0000025) + 0.0000004 = 0.000002925; 0.000024 is 8.2 times that.
    assert "0.000002925 in all, 8 times less" in per_request
    assert "0.0000004 each" in answers["A function costs 0.000004 USD per invocation"]
    assert len(answers) == 4
    tier = PRICES.tier()
    doubled = replace(PRICES, tiers=(replace(tier, request=replace(tier.request, million_requests_usd=0.8)),))
    assert "0.0000008 each" in dict(cost_text.claims(doubled))["A function costs 0.000004 USD per invocation"]


def test_of_several_the_cheapest_is_named_with_the_next_one() -> None:
    names = ("A", "B", "C")
    dearer, dearest = replace(BILL, vcpu_usd=10.0), replace(BILL, vcpu_usd=14.0)
    found = cost_text.verdict(names, (dearest, BILL, dearer), 5_000_000)
    assert found.headline == "B costs least"
    assert found.sentence == "4.00 USD a month less (50%) than C, the next, after the free tier, at 5 million requests."
    tied = cost_text.verdict(names, (dearest, BILL, BILL), 5_000_000)
    assert (tied.outcome, tied.headline) == ("agree", "B and C cost least")
    assert tied.sentence == "B and C cost the same, 4.00 USD, at 5 million requests a month."
    assert cost_text.verdict(names, (BILL,) * 3, 1_000_000).headline == "Same cost"


def test_of_several_that_are_free_the_bill_before_the_free_tier_decides_among_these() -> None:
    free = replace(BILL, idle_usd=0.0, free_vcpu_usd=6.0, free_requests_usd=2.0)
    dearer = replace(free, vcpu_usd=12.0, free_vcpu_usd=12.0)
    found = cost_text.verdict(("A", "B", "C"), (BILL, dearer, free), 1_000_000)
    assert found.headline == "C costs least"
    assert found.sentence == (
        "B and C are free. 6.00 USD a month less (40%) than B, the next, before the free tier, at 1 million requests."
    )


def test_bills_of_one_and_missing_bills_are_said() -> None:
    alone = cost_text.verdict(("A",), (BILL,), 1_000_000)
    assert (alone.headline, alone.sentence) == ("4.00 USD a month", "A, after the free tier, at 1 million requests.")
    assert cost_text.verdict(("A",), (None,), 1).outcome == "unknown"
    without = cost_text.verdict(("A", "B", "C"), (BILL, None, replace(BILL, vcpu_usd=10.0)), 1_000_000)
    assert without.headline == "A costs least" and without.sentence.endswith(" No bill: B.")
