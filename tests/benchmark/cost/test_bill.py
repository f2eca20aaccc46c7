"""Bills worked out by hand from the published prices, and what must hold for every bill.

Prices of tier 1, in USD: request-based 0.000024 a vCPU-s, 0.0000025 a GiB-s, 0.40 a million requests, idle 0.0000025
for either; instance-based 0.000018 and 0.000002. Free a month: 180 000 vCPU-s, 360 000 GiB-s, 2 million requests; and
240 000 vCPU-s, 450 000 GiB-s.
"""

from collections.abc import Callable
from dataclasses import replace
from math import sin
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.cost.bill import (
    EQUAL,
    FUNCTION_DEFAULTS,
    REQUESTS_AT_MOST,
    SERVICE_DEFAULTS,
    Configuration,
    CostError,
    Workload,
    crossings,
    default_concurrency,
    estimate_usd,
    grid,
    monthly_cost,
)
from benchmark.cost.instances import round_up
from benchmark.cost.prices import BILLINGS, Billing, load_prices
from benchmark.cost.traffic import BURSTS, OFFICE, SHAPES, Traffic, read_csv, requests_per_month
from deploy.variables import DEFAULTS, Variables

PRICES = load_prices()
ONE_AT_A_TIME = Configuration(vcpu=1, memory_gib=0.5, concurrency=1)
INSTANCE_BASED = replace(EQUAL, billing="instance")
MONTH_S = 30 * 24 * 3600  # 2 592 000


def usd(value: float) -> object:
    return pytest.approx(value, rel=1e-9, abs=1e-12)


# --- Request-based, by hand


def test_a_million_short_requests_far_apart() -> None:
    cost = monthly_cost(Workload(1_000_000, (5.0,)), EQUAL, PRICES)
    # Each 5 ms is billed as 100 ms: 1 000 000 x 0.1 s = 100 000 s.
    assert cost.active_s == usd(100_000)
    assert cost.vcpu_usd == usd(100_000 * 1 * 0.000024)  # 2.40
    assert cost.memory_usd == usd(100_000 * 0.5 * 0.0000025)  # 0.125
    assert cost.requests_usd == usd(0.40)
    assert cost.idle_usd == 0
    assert cost.gross_usd == usd(2.925)
    # 100 000 of 180 000 vCPU-s, 50 000 of 360 000 GiB-s, 1 of 2 million requests: all of it is free.
    assert cost.net_usd == 0


def test_ten_million_requests_of_a_quarter_second_one_at_a_time() -> None:
    cost = monthly_cost(Workload(10_000_000, (250.0,)), ONE_AT_A_TIME, PRICES)
    # 250 ms -> 300 ms: 3 000 000 s.
    assert cost.vcpu_usd == usd(3_000_000 * 0.000024)  # 72.00
    assert cost.memory_usd == usd(1_500_000 * 0.0000025)  # 3.75
    assert cost.requests_usd == usd(10 * 0.40)  # 4.00
    assert cost.gross_usd == usd(79.75)
    # Free: 180 000 x 0.000024 = 4.32, 360 000 x 0.0000025 = 0.90, 2 x 0.40 = 0.80.
    assert cost.net_usd == usd(79.75 - 4.32 - 0.90 - 0.80)  # 73.73


def test_a_function_as_it_comes() -> None:
    cost = monthly_cost(Workload(10_000_000, (180.0,)), FUNCTION_DEFAULTS, PRICES)
    # 180 ms -> 200 ms: 2 000 000 s, of 0.1666 vCPU and 0.25 GiB.
    assert cost.vcpu_usd == usd(2_000_000 * 0.1666 * 0.000024)  # 7.9968
    assert cost.memory_usd == usd(2_000_000 * 0.25 * 0.0000025)  # 1.25
    assert cost.gross_usd == usd(7.9968 + 1.25 + 4.00)  # 13.2468
    assert cost.net_usd == usd(7.9968 - 4.32 + 1.25 - 0.90 + 4.00 - 0.80)  # 7.2268


def test_requests_that_overlap_share_the_time_of_their_instance() -> None:
    # 103 680 000 a month are 40 a second: of 50 ms each there are always two at a time, which mostly wait.
    workload = Workload(103_680_000, (50.0,), cpu_ms=5.0)
    shared = monthly_cost(workload, EQUAL, PRICES)
    # One instance is busy all month: 2 592 000 x (0.000024 + 0.5 x 0.0000025) = 65.448, and 103.68 x 0.40 = 41.472.
    assert shared.gross_usd == pytest.approx(65.448 + 41.472, rel=1e-6)
    assert shared.instances == 1
    alone = monthly_cost(workload, ONE_AT_A_TIME, PRICES)
    # Two at a time on average, 0.6 to an instance: 4 take turns, 100 ms each: 10 368 000 s x 0.00002525 = 261.792.
    assert alone.gross_usd == usd(261.792 + 41.472)
    assert alone.instances == 4


def test_an_instance_is_never_billed_for_more_time_than_there_is() -> None:
    # 38.6 a second, 10 ms each: every 25.9 ms one begins, long before the 100 ms of the one before it are over.
    cost = monthly_cost(Workload(100_000_000, (10.0,)), EQUAL, PRICES)
    assert cost.instances == 1
    assert cost.active_s == usd(2_592_000)
    assert cost.gross_usd == usd(65.448 + 40)
    kept = monthly_cost(Workload(100_000_000, (10.0,)), replace(EQUAL, min_instances=1), PRICES)
    assert kept.idle_s == 0


def test_there_are_as_many_instances_as_keep_each_within_60_percent_of_its_vcpu() -> None:
    # 385.8 a second, 10 ms each: 3.86 processors, 6.43 of them at 60 %.
    workload = Workload(1_000_000_000, (10.0,))
    cost = monthly_cost(workload, EQUAL, PRICES)
    assert (cost.instances, cost.active_s) == (7, usd(7 * 2_592_000))
    # On 2 vCPU half as many; where 9 of the 10 ms are waiting, one.
    assert monthly_cost(workload, replace(EQUAL, vcpu=2), PRICES).instances == 4
    assert monthly_cost(replace(workload, cpu_ms=1.0), EQUAL, PRICES).instances == 1


def test_there_are_as_many_instances_as_keep_each_within_60_percent_of_its_concurrency() -> None:
    # 385.8 a second, half a second each: 192.9 at a time, of which 48 are 60 % of 80.
    assert monthly_cost(Workload(1_000_000_000, (500.0,), cpu_ms=0.1), EQUAL, PRICES).instances == 5


def test_part_of_a_vcpu_is_as_busy_as_its_requests_are_long() -> None:
    # 38.58 a second of 10 ms: 0.3858 at a time, within 60 %, whatever part of a vCPU they have.
    assert monthly_cost(Workload(100_000_000, (10.0,)), FUNCTION_DEFAULTS, PRICES).instances == 1


def test_each_measured_time_is_rounded_on_its_own() -> None:
    # 90 -> 100 and 110 -> 200: 150 on average, although the mean of 100 would bill 100.
    cost = monthly_cost(Workload(2_000_000, (90.0, 110.0)), ONE_AT_A_TIME, PRICES)
    assert cost.active_s == usd(2_000_000 * 0.150)


def test_a_start_is_billed_with_the_request_that_waits_for_it() -> None:
    # 1 % of 1 000 000 wait 2030 ms: 2035 -> 2100 ms instead of 100. 10 000 x 2.0 s = 20 000 s more.
    cost = monthly_cost(Workload(1_000_000, (5.0,), startup_ms=2030.0, cold_fraction=0.01), EQUAL, PRICES)
    assert cost.active_s == usd(120_000)


def test_a_minimum_instance_costs_the_idle_price_while_it_has_no_request() -> None:
    kept = replace(EQUAL, min_instances=1)
    nothing = monthly_cost(Workload(0, (5.0,)), kept, PRICES)
    # 2 592 000 s x (1 x 0.0000025 + 0.5 x 0.0000025) = 9.72; the free tier does not cover it.
    assert (nothing.gross_usd, nothing.net_usd) == (usd(9.72), usd(9.72))
    some = monthly_cost(Workload(1_000_000, (5.0,)), kept, PRICES)
    # Of these 100 000 s are at the active price: 2 492 000 x 0.00000375 = 9.345.
    assert some.idle_usd == usd(9.345)
    assert some.gross_usd == usd(2.925 + 9.345)


def test_minimum_instances_that_never_get_a_request_idle_all_the_time() -> None:
    cost = monthly_cost(Workload(1_000_000, (5.0,)), replace(EQUAL, min_instances=3), PRICES)
    assert cost.idle_s == usd(3 * MONTH_S - 100_000)
    assert cost.instances == 3


# --- Instance-based, by hand


def test_an_instance_that_is_never_left_alone_for_15_minutes_is_billed_all_month() -> None:
    cost = monthly_cost(Workload(1_000_000, (5.0,)), INSTANCE_BASED, PRICES)
    assert cost.vcpu_usd == usd(2_592_000 * 0.000018)  # 46.656
    assert cost.memory_usd == usd(1_296_000 * 0.000002)  # 2.592
    assert cost.requests_usd == 0
    # Free: 240 000 x 0.000018 = 4.32 and 450 000 x 0.000002 = 0.90.
    assert (cost.gross_usd, cost.net_usd) == (usd(49.248), usd(49.248 - 4.32 - 0.90))


def test_a_rare_request_is_billed_with_15_minutes_after_it() -> None:
    # 100 a month are more than seven hours apart: each 0.1 s + 900 s.
    cost = monthly_cost(Workload(100, (100.0,)), INSTANCE_BASED, PRICES)
    assert cost.active_s == usd(100 * 900.1)


def test_bursts_are_billed_with_15_minutes_after_each() -> None:
    # 720 000 a month: 1000 in a minute of each of 720 hours, 60 ms apart; the last begins 60 ms before the minute ends.
    cost = monthly_cost(Workload(720_000, (20.0,), BURSTS), INSTANCE_BASED, PRICES)
    assert cost.active_s == usd(720 * (59.94 + 0.02 + 900))


def test_office_hours_pay_for_office_hours() -> None:
    cost = monthly_cost(Workload(1_000_000, (20.0,), OFFICE), INSTANCE_BASED, PRICES)
    # Five times 8 h and 15 min of a week, 30 / 7 weeks; to a request's distance of about 3 s.
    assert cost.active_s == pytest.approx(5 * (8 * 3600 + 900) * 30 / 7, rel=1e-3)


def test_minimum_instances_are_billed_as_any_other() -> None:
    cost = monthly_cost(Workload(0, (5.0,)), replace(INSTANCE_BASED, min_instances=2), PRICES)
    assert (cost.vcpu_usd, cost.idle_usd) == (usd(2 * 2_592_000 * 0.000018), 0)


def test_one_request_a_month_is_a_bill_for_one_in_every_shape() -> None:
    for shape in SHAPES.values():
        cost = monthly_cost(Workload(1, (100.0,), shape), INSTANCE_BASED, PRICES)
        assert cost.active_s == usd(900.1)
        assert monthly_cost(Workload(1, (100.0,), shape), EQUAL, PRICES).active_s == usd(0.1)


# --- Whatever the numbers

CONFIGURATIONS = st.builds(
    Configuration,
    vcpu=st.sampled_from([1, 2, 4]),
    memory_gib=st.sampled_from([2, 3, 4]),
    concurrency=st.sampled_from([1, 2, 8, 80]),
    min_instances=st.integers(0, 3),
    billing=st.sampled_from(["request", "instance"]),
)
WORKLOADS = st.builds(
    Workload,
    requests_per_month=st.integers(0, 200_000_000),
    services_ms=st.lists(st.floats(1, 900), min_size=1, max_size=4).map(tuple),
    traffic=st.sampled_from([*SHAPES.values(), read_csv("7\n0\n120\n3000\n", "file")]),
    startup_ms=st.floats(0, 5000),
    cold_fraction=st.sampled_from([0.0, 0.01, 1.0]),
    cpu_ms=st.sampled_from([None, 0.5, 5.0]),
)
MANY = settings(max_examples=60, deadline=None)


@MANY
@given(WORKLOADS, CONFIGURATIONS)
def test_net_is_gross_less_what_is_free_and_never_below_zero(workload: Workload, configuration: Configuration) -> None:
    cost = monthly_cost(workload, configuration, PRICES)
    parts = (cost.vcpu_usd, cost.memory_usd, cost.requests_usd, cost.idle_usd)
    assert all(part >= 0 for part in parts)
    assert cost.gross_usd == usd(sum(parts))
    assert 0 <= cost.net_usd <= cost.gross_usd
    free = cost.free_vcpu_usd + cost.free_memory_usd + cost.free_requests_usd
    assert cost.net_usd == usd(cost.gross_usd - free)
    assert free <= 4.32 + 0.90 + 0.80 + 1e-9


@MANY
@given(WORKLOADS, CONFIGURATIONS)
def test_sharing_an_instance_never_costs_more_than_not_sharing_it(
    workload: Workload, configuration: Configuration
) -> None:
    request_based = replace(configuration, billing="request", min_instances=0)
    shared = monthly_cost(workload, request_based, PRICES)
    alone = monthly_cost(workload, replace(request_based, concurrency=1), PRICES)
    # But for whose turn it is when a request finds its instance full, which changes what overlaps.
    assert shared.gross_usd <= alone.gross_usd * 1.05
    assert shared.instances <= alone.instances


@MANY
@given(WORKLOADS, st.integers(1, 10**8), st.sampled_from([1, 80]), st.sampled_from(["request", "instance"]))
def test_more_requests_never_cost_less(workload: Workload, more: int, concurrency: int, billing: Billing) -> None:
    configuration = replace(EQUAL, concurrency=concurrency, billing=billing)
    fewer = monthly_cost(workload, configuration, PRICES)
    larger = replace(workload, requests_per_month=workload.requests_per_month + more)
    # Where requests overlap, the time of an instance is that of a sample.
    assert monthly_cost(larger, configuration, PRICES).gross_usd >= fewer.gross_usd * 0.98


@MANY
@given(WORKLOADS, CONFIGURATIONS)
def test_one_at_a_time_is_billed_for_its_time_at_least_and_for_its_rounded_time_at_most(
    workload: Workload, configuration: Configuration
) -> None:
    one = replace(configuration, concurrency=1, billing="request", min_instances=0)
    active_s = monthly_cost(replace(workload, startup_ms=0.0), one, PRICES).active_s
    requests_of_each = workload.requests_per_month / len(workload.services_ms)
    served_s = requests_of_each * sum(workload.services_ms) / 1000
    rounded_s = requests_of_each * sum(round_up(service_ms, 100) for service_ms in workload.services_ms) / 1000
    assert served_s * 0.98 <= active_s <= rounded_s * 1.02


@MANY
@given(WORKLOADS, CONFIGURATIONS)
def test_no_instance_is_billed_for_more_than_a_month(workload: Workload, configuration: Configuration) -> None:
    cost = monthly_cost(replace(workload, startup_ms=0.0), configuration, PRICES)
    assert cost.active_s + cost.idle_s <= cost.instances * MONTH_S * (1 + 1e-9)
    assert cost.idle_s >= 0


@MANY
@given(WORKLOADS, CONFIGURATIONS, st.integers(1, 4))
def test_another_minimum_instance_is_paid_for(workload: Workload, configuration: Configuration, more: int) -> None:
    kept = replace(configuration, min_instances=configuration.min_instances + more)
    before, after = (monthly_cost(workload, one, PRICES) for one in (configuration, kept))
    assert after.gross_usd >= before.gross_usd - 1e-9
    # A minimum instance is never billed for more than the month, in addition to the rounding of what it does.
    assert after.idle_s <= kept.min_instances * MONTH_S + 1e-3


@MANY
@given(st.integers(0, 10**7), st.floats(1, 5000), st.sampled_from([1, 80]))
def test_the_estimate_before_a_measurement_is_not_below_its_bill(
    requests: int, service_ms: float, at_once: int
) -> None:
    configuration = replace(EQUAL, concurrency=at_once)
    bill = monthly_cost(Workload(requests, (service_ms,)), configuration, PRICES)
    assert estimate_usd(requests, service_ms, PRICES, configuration) >= bill.gross_usd * 0.999999


def test_the_estimate_of_a_thousand_requests() -> None:
    # 1000 x 0.1 s x (0.000024 + 0.5 x 0.0000025) + 0.001 x 0.40 = 0.002925; a start of 2 s adds 0.0000505.
    here = replace(EQUAL, region="us-central1")
    assert estimate_usd(1000, 5.0, PRICES, here) == usd(0.002925)
    assert estimate_usd(1000, 5.0, PRICES, here, startups_ms=2000.0) == usd(0.002925 + 0.0000505)


def test_the_estimate_for_an_unknown_region_is_that_of_the_dearest() -> None:
    # 1000 x 0.1 s x (0.0000336 + 0.5 x 0.0000035) + 0.001 x 0.40
    assert estimate_usd(1000, 5.0, PRICES) == usd(0.003935)


# --- Regions


def test_a_service_of_tier_2_is_billed_at_its_prices() -> None:
    # 5 000 000 x 0.1 s: 500 000 s x 0.0000336 = 16.80, x 0.5 x 0.0000035 = 0.875, and 2.00 for the requests.
    workload = Workload(5_000_000, (20.0,))
    bill = monthly_cost(workload, replace(EQUAL, region="europe-west3"), PRICES)
    assert (bill.vcpu_usd, bill.memory_usd, bill.requests_usd) == (usd(16.80), usd(0.875), usd(2.0))
    # The free tier is a discount at the prices of tier 1: 180 000 x 0.000024, and of the memory all.
    assert (bill.free_vcpu_usd, bill.free_memory_usd, bill.free_requests_usd) == (usd(4.32), usd(0.875), usd(0.8))
    assert bill.net_usd == usd(16.80 - 4.32 + 1.2)
    kept = monthly_cost(Workload(0, (20.0,)), replace(EQUAL, region="europe-west3", min_instances=1), PRICES)
    assert kept.idle_usd == usd(30 * 86_400 * 1.5 * 0.0000035)
    alive = replace(EQUAL, region="europe-west3", min_instances=1, billing="instance")
    assert monthly_cost(Workload(0, (20.0,)), alive, PRICES).gross_usd == usd(2_592_000 * (0.0000216 + 0.0000012))


def test_a_region_without_published_prices_has_no_bill() -> None:
    with pytest.raises(CostError, match="no prices for the region mars-north1"):
        monthly_cost(Workload(1000, (20.0,)), replace(EQUAL, region="mars-north1"), PRICES)


# --- What is not offered, or makes no sense


def test_the_concurrency_of_an_endpoint_that_says_none_is_one_that_the_platform_allows() -> None:
    assert [default_concurrency(vcpu) for vcpu in (0.08, 0.999, 1, 8)] == [1, 1, 80, 80]
    for configuration in (SERVICE_DEFAULTS, FUNCTION_DEFAULTS):
        assert configuration.concurrency == default_concurrency(configuration.vcpu)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vcpu": 0.5}, "concurrency of 1 only"),
        ({"vcpu": 0.5, "concurrency": 1, "billing": "instance"}, "request-based billing only"),
        ({"vcpu": 3}, "vCPU must be"),
        ({"vcpu": float("nan")}, "vCPU must be"),
        ({"memory_gib": 0.0}, "memory must be"),
        ({"memory_gib": 4.5}, "at 1 vCPU memory must be from 0.125 to 4 GiB"),
        ({"vcpu": 0.4, "concurrency": 1, "memory_gib": 0.6}, "from 0.125 to 0.5 GiB"),
        ({"vcpu": 0.5, "concurrency": 1, "memory_gib": 1.1}, "from 0.125 to 1 GiB"),
        ({"vcpu": 2, "memory_gib": 8.1}, "from 0.125 to 8 GiB"),
        ({"vcpu": 4, "memory_gib": 1.9}, "from 2 to 16 GiB"),
        ({"vcpu": 6, "memory_gib": 3.9}, "from 4 to 24 GiB"),
        ({"vcpu": 8, "memory_gib": 33}, "from 4 to 32 GiB"),
        ({"memory_gib": float("nan")}, "memory must be"),
        ({"concurrency": 0}, "concurrency must be"),
        ({"min_instances": -1}, "minimum instances must be"),
        ({"billing": "always"}, "billing must be"),
    ],
)
def test_a_configuration_that_is_not_offered_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(CostError, match=message):
        replace(EQUAL, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"requests_per_month": -1}, "requests per month"),
        ({"requests_per_month": REQUESTS_AT_MOST + 1}, "requests per month"),
        ({"services_ms": ()}, "service times"),
        ({"services_ms": (0.0,)}, "service times"),
        ({"services_ms": (float("nan"),)}, "service times"),
        ({"startup_ms": -1.0}, "start-up time"),
        ({"cold_fraction": 1.1}, "cold fraction"),
        ({"cpu_ms": 0.0}, "processor time"),
        ({"cpu_ms": float("nan")}, "processor time"),
    ],
)
def test_a_workload_that_makes_no_sense_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(CostError, match=message):
        replace(Workload(1, (1.0,)), **change)  # type: ignore[arg-type]


def test_more_at_once_than_a_service_can_be_given_has_no_cost() -> None:
    with pytest.raises(CostError, match="in flight at once"):
        monthly_cost(Workload(REQUESTS_AT_MOST, (60_000.0,)), EQUAL, PRICES)


@pytest.mark.parametrize("billing", ["request", "instance"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_hundred_million_requests_are_not_simulated_one_by_one(
    shape: Traffic, billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmark.cost import instances

    simulated = 0
    original = instances.simulate

    def counting(arrivals: list[float], *rest: object) -> object:
        nonlocal simulated
        simulated += len(arrivals)
        return original(arrivals, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(instances, "simulate", counting)
    workload = Workload(100_000_000, (40.0, 80.0), shape, cpu_ms=1.0)
    monthly_cost(workload, replace(EQUAL, billing=billing), PRICES)
    assert 0 < simulated < 20_000


@pytest.mark.slow
def test_a_week_of_minutes_that_all_differ_is_simulated_in_steps_and_billed_within_a_percent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from benchmark.cost import instances

    drawn = Random(0)  # noqa: S311
    lines = [str(round(1500 + 1000 * sin(minute / 229) + drawn.uniform(-200, 200))) for minute in range(7 * 1440)]
    traffic = read_csv("\n".join(lines), "week")
    workload = Workload(round(requests_per_month("\n".join(lines))), (30.0, 60.0, 250.0), traffic, cpu_ms=4.0)
    blocks_simulated = 0
    original = instances.simulate

    def counting(*arguments: object) -> object:
        nonlocal blocks_simulated
        blocks_simulated += 1
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(instances, "simulate", counting)
    billed = [monthly_cost(workload, replace(EQUAL, billing=billing), PRICES) for billing in BILLINGS]
    assert 0 < blocks_simulated < 2 * 300
    monkeypatch.setattr(instances, "_DISTINCT_AT_MOST", 10**9)
    exact = [monthly_cost(workload, replace(EQUAL, billing=billing), PRICES) for billing in BILLINGS]
    assert blocks_simulated > 2 * 1500
    for one, other in zip(billed, exact, strict=True):
        assert one.gross_usd == pytest.approx(other.gross_usd, rel=0.01)


# --- Where one becomes cheaper than the other


def of_requests(
    configuration: Configuration, service_ms: float = 20.0, cpu_ms: float | None = None
) -> Callable[[int], float]:
    return lambda requests: (
        monthly_cost(Workload(requests, (service_ms,), cpu_ms=cpu_ms), configuration, PRICES).gross_usd
    )


def test_instance_based_billing_pays_off_from_a_number_of_requests_on() -> None:
    (crossing,) = crossings(of_requests(EQUAL), of_requests(INSTANCE_BASED), 10_000, 100_000_000)
    # A request costs 0.1 x (0.000024 + 0.00000125) + 0.0000004 = 0.000002925, an instance 49.248 a month:
    # 49.248 / 0.000002925 = 16 836 923.08 requests.
    assert crossing.requests_per_month == 16_836_924
    assert crossing.usd == pytest.approx(49.248, abs=1e-4)
    assert not crossing.first_is_cheaper_above


def test_a_crossing_is_the_first_request_at_which_the_other_is_cheaper() -> None:
    first, second = of_requests(INSTANCE_BASED), of_requests(EQUAL)
    (crossing,) = crossings(first, second, 10_000, 100_000_000)
    assert crossing.first_is_cheaper_above
    at = crossing.requests_per_month
    assert first(at) < second(at)
    assert first(at - 1) >= second(at - 1)


def test_what_costs_the_same_does_not_cross() -> None:
    assert crossings(of_requests(EQUAL), of_requests(EQUAL), 1, 10**9) == []


def test_a_service_as_it_comes_pays_off_where_a_function_needs_six_instances() -> None:
    function, service = of_requests(FUNCTION_DEFAULTS, 20.0, 2.0), of_requests(SERVICE_DEFAULTS, 20.0, 2.0)
    (crossing,) = crossings(function, service, 10_000, 700_000_000)
    # All month an instance of the function costs 2 592 000 x (0.1666 x 0.000024 + 0.25 x 0.0000025) = 11.984, one of
    # the service 65.448: five are cheaper, six are not. Five are full at 5 x 0.6 / 20 ms = 150 a second, 388 800 000
    # a month; the service has 3 of the 48 at a time then, and 0.3 of its processor. A request costs both the same.
    assert not crossing.first_is_cheaper_above
    assert crossing.requests_per_month == 388_800_001


def test_where_there_is_no_cost_any_more_no_crossing_is_looked_for() -> None:
    slow = of_requests(EQUAL, 60_000.0)
    assert crossings(slow, of_requests(INSTANCE_BASED, 60_000.0), 10**10, REQUESTS_AT_MOST) == []


def test_a_grid_has_both_ends_and_even_ratios() -> None:
    assert grid(1, 1000, 4) == [1, 10, 100, 1000]
    assert grid(1, 3, 9) == [1, 2, 3]


# --- The settings that the comparison starts from


def test_the_default_sizes_are_those_that_are_deployed() -> None:
    own = Variables.from_files(overrides={"PROJECT": "some-project"})
    default = Variables.from_files([DEFAULTS.with_name("platform-defaults.env")], {"PROJECT": "some-project"})
    for configuration, size in (
        (EQUAL, own.api),
        (EQUAL, own.function),
        (SERVICE_DEFAULTS, default.api),
        (FUNCTION_DEFAULTS, default.function),
    ):
        assert configuration.vcpu == float(size.cpu)
        assert configuration.memory_gib * 1024 == size.memory_mib
        assert (configuration.concurrency, configuration.min_instances) == (size.concurrency, size.min_instances)
