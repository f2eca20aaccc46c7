"""What is said of a run follows from its samples: nothing is mixed that must be apart, and nothing is left out."""

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from benchmark.cost.prices import load_prices
from benchmark.endpoints.sample import Failure, Temperature
from benchmark.record.plan import ClosedLoopPlan, ComparePlan, LoadPlan, OpenLoopPlan, Stage, StagedPlan
from benchmark.record.run import Run, RunState
from benchmark.record.samples import (
    FAILURES,
    TEMPERATURES,
    TIMEOUT,
    UNKNOWN,
    Samples,
    empty,
    from_rows,
    in_order,
    join,
    make_row,
)
from benchmark.reports.document import to_markdown
from benchmark.reports.report import build
from benchmark.statistics.estimates import Estimate, min_samples, paired_median_difference
from benchmark.statistics.percentiles import PERCENTILES
from benchmark.statistics.verdict import Outcome, State
from benchmark.summary import summarise as summarise_module
from benchmark.summary.gate import check_slo
from benchmark.summary.printing import print_summary
from benchmark.summary.summarise import Summary, summarise, to_document
from benchmark.synthetic.demo import DEMO, simulate_run
from benchmark.synthetic.simulate import Machine, TrueEndpoint, Truth
from tests.benchmark.runs import NAMES, UTC, make_run, pairs, row, with_facts

SHARES = list(PERCENTILES.values())
RATE = OpenLoopPlan(rate=50, duration_s=10, warmup=0, margin_ms=1.0, margin_pct=0.0)
CALLERS = ClosedLoopPlan(concurrency=2, total=500, warmup=0, margin_ms=1.0, margin_pct=0.0)


def noise(n: int, seed: int, median_ms: float = 10.0) -> list[float]:
    values: list[float] = (median_ms * np.random.default_rng(seed).lognormal(0, 0.1, n)).tolist()
    return values


def of_pairs(n: int = 100, faster_ms: float = 10.0, slower_ms: float = 20.0) -> Samples:
    return pairs(noise(n, 1, faster_ms), noise(n, 2, slower_ms))


def simulated(plan: ComparePlan | OpenLoopPlan, truth: Truth = DEMO) -> tuple[Run, Samples]:
    return simulate_run(truth, plan)


def verdict_of(summary: Summary) -> Any:
    assert summary.verdict is not None
    return summary.verdict


def without_sentences(summary: Summary) -> Any:
    return replace(verdict_of(summary), sentence="")


# --- Which samples are in which figure


def test_the_figures_are_those_of_the_samples() -> None:
    first_ms, second_ms = noise(400, 1), noise(400, 2, 20.0)
    summary = summarise(make_run(), pairs(first_ms, second_ms))
    for side, values in zip(summary.endpoints, (first_ms, second_ms), strict=True):
        assert [one.value for one in side.service_ms] == pytest.approx(np.quantile(values, SHARES), rel=1e-6)
        assert (side.n, side.attempts, side.failed, side.warmup) == (400, 400, 0, 0)
        assert [one.value for one in side.server_ms] == [2.0, 2.0, 2.0]
        assert side.response_ms == ()
        assert side.latency_ms is side.service_ms
        assert dict((name, n) for name, _, n in side.phases_ms) == {
            "dns": 0,
            "connect": 0,
            "tls": 0,
            "wait": 400,
            "receive": 400,
        }
        assert side.rate == pytest.approx(25, rel=0.01)  # one in 40 ms
    differences = [one.value for one in summary.differences[0]]
    assert differences == pytest.approx(np.quantile(first_ms, SHARES) - np.quantile(second_ms, SHARES), rel=1e-5)
    assert verdict_of(summary).pairs[0].effect == paired_median_difference(
        np.array(first_ms, "f4"), np.array(second_ms, "f4")
    )


def test_the_warm_up_is_counted_and_in_no_statistic() -> None:
    measured = of_pairs()
    warm_up = measured[:40].copy()
    warm_up["warmup"], warm_up["service_ms"], warm_up["group"] = True, 5000.0, warm_up["group"] + 1000
    warm_up["failure"][:6], warm_up["server_ms"], warm_up["wait_ms"] = 2, 4000.0, 4000.0
    alone, both = summarise(make_run(), measured), summarise(make_run(), join([warm_up, measured]))
    assert [side.warmup for side in both.endpoints] == [20, 20]
    assert [replace(side, warmup=0) for side in both.endpoints] == list(alone.endpoints)
    assert (both.verdict, both.differences) == (alone.verdict, alone.differences)


def test_cold_starts_are_a_population_of_their_own() -> None:
    warm = of_pairs()
    cold = warm[:10].copy()
    cold["temperature"], cold["service_ms"], cold["group"] = 0, 3000.0, cold["group"] + 1000
    summary = summarise(make_run(), join([warm, cold]))
    only_warm = summarise(make_run(), warm)
    for side, without in zip(summary.endpoints, only_warm.endpoints, strict=True):
        assert side.cold_ms == (3000.0,) * 5
        assert (side.n, side.attempts) == (100, 105)
        assert (side.service_ms, side.server_ms, side.phases_ms) == (
            without.service_ms,
            without.server_ms,
            without.phases_ms,
        )
    assert verdict_of(summary).pairs[0].effect == verdict_of(only_warm).pairs[0].effect
    assert summary.differences == only_warm.differences


def test_a_cold_start_that_failed_is_a_failure_and_no_cold_latency() -> None:
    broken = from_rows([row(0, 500, 3000.0, temperature=Temperature.COLD, failure=Failure.SERVER_ERROR)])
    api, _ = summarise(make_run(), join([of_pairs(), broken])).endpoints
    assert (api.cold_ms, api.failed, api.n, api.attempts) == ((), 1, 100, 101)


def test_a_first_request_on_an_instance_that_was_up_is_warm() -> None:
    first = of_pairs()
    first["temperature"] = 2
    assert [side.n for side in summarise(make_run(), first).endpoints] == [100, 100]


@pytest.mark.parametrize("plan", [None, RATE, CALLERS])
@pytest.mark.parametrize("failure", list(Failure))
def test_failures_never_enter_a_latency(plan: LoadPlan | None, failure: Failure) -> None:
    samples = of_pairs(400)
    failed = (samples["endpoint"] == 0) & (samples["group"] % 10 == 3)
    samples["failure"][failed], samples["service_ms"][failed] = 1 + list(Failure).index(failure), 9000.0
    samples["server_ms"][failed], samples["wait_ms"][failed] = 8000.0, 8000.0
    run = make_run(plan)
    api, function = summarise(run, samples).endpoints
    without, _ = summarise(run, samples[~failed]).endpoints
    assert (api.n, api.attempts, api.failed) == (360, 400, 40)
    assert [(line.failure, line.count) for line in api.ledger] == [(failure, 40)]
    assert [one.value for one in (*api.latency_ms, *api.server_ms)] == [
        one.value for one in (*without.latency_ms, *without.server_ms)
    ]
    assert api.phases_ms == without.phases_ms
    assert api.availability.value == 0.9
    assert api.availability.low is not None and api.availability.high is not None
    assert api.availability.low < 0.9 < api.availability.high < 1
    assert function.failed == 0


def test_the_ledger_has_an_example_of_each_failure() -> None:
    samples = of_pairs()
    samples["failure"][::2][:3] = 1 + list(Failure).index(Failure.WRONG_SCHEMA)
    run = replace(make_run(), outcome={"failure_details": {"api": {"wrong_schema": "prediction is not a number"}}})
    (line,) = summarise(run, samples).endpoints[0].ledger
    assert (line.count, line.detail) == (3, "prediction is not a number")


def test_a_timeout_ranks_after_every_answer_of_its_pair() -> None:
    # The second endpoint answers 60 pairs 5 ms faster and is lost in the other 41: most of the time it is faster.
    samples = pairs([15.0] * 101, [10.0] * 101)
    lost = (samples["endpoint"] == 1) & (samples["group"] % 5 < 2)
    samples["failure"][lost], samples["service_ms"][lost] = 2, 1.0  # a timeout that would pass for a fast answer
    effect = verdict_of(summarise(make_run(), samples)).pairs[0].effect
    assert effect.n == 101, "a censored pair is not a missing one"
    censored = np.where(np.arange(101) % 5 < 2, inf, 10.0)
    waited = np.where(np.isinf(censored), 1.0, censored)
    assert effect == paired_median_difference(np.full(101, 15.0), censored, (np.full(101, 15.0), waited))
    samples["failure"][lost] = 1 + list(Failure).index(Failure.RESET)
    assert verdict_of(summarise(make_run(), samples)).pairs[0].effect.n == 60, "any other failure leaves its pair out"


def test_an_endpoint_that_always_times_out_is_the_slower_one() -> None:
    samples = of_pairs(100)
    lost = samples["endpoint"] == 1
    samples["failure"][lost], samples["service_ms"][lost] = 2, 10_000.0
    summary = summarise(make_run(), samples)
    assert verdict_of(summary).pairs[0].effect.value == -inf
    assert summary.winner_key == "api"
    document = json.loads(json.dumps(to_document(summary), allow_nan=False))
    assert document["difference"]["value_ms"] is None
    assert document["endpoints"]["function"]["errors"] == {"timeout": 100}
    assert document["verdict"]["sentence"].startswith("FastAPI failed 0 of 100 requests (0%), Cloud Function failed")


@pytest.mark.parametrize("plan", [RATE, CALLERS])
def test_a_load_that_mostly_times_out_wins_nothing(plan: OpenLoopPlan) -> None:
    samples = of_pairs(400, 30.0, 10.0)
    lost = (samples["endpoint"] == 1) & (samples["group"] % 10 < 6)
    samples["failure"][lost] = 2
    summary = summarise(make_run(plan), samples)
    assert verdict_of(summary).pairs[0].effect.value == -inf, "its median is a timeout"
    assert verdict_of(summary).outcome is Outcome.INCONCLUSIVE
    assert verdict_of(summary).sentence.startswith("FastAPI failed 0 of 400 requests (0%), Cloud Function failed 240")
    assert summary.endpoints[1].latency_ms[0].value < 15, "its answers are as fast as they are"
    document = json.loads(json.dumps(to_document(summary), allow_nan=False))
    assert [one["value"] for one in document["differences_ms"].values()] == [None] * 3


@pytest.mark.parametrize("plan", [None, RATE, CALLERS])
def test_timeouts_move_the_differences_and_not_the_percentiles_that_are_shown(plan: OpenLoopPlan | None) -> None:
    samples = of_pairs(400, 10.0, 20.0)
    samples["failure"][(samples["endpoint"] == 0) & (samples["group"] % 20 == 7)] = 2
    samples["service_ms"][samples["failure"] == 2] = 10_000.0
    slow = samples.copy()
    slow["failure"], slow["service_ms"][samples["failure"] == 2] = 0, 1e6
    timed_out, slowed = (summarise(make_run(plan), each) for each in (samples, slow))
    assert timed_out.differences[0][0] == slowed.differences[0][0]
    assert verdict_of(timed_out).pairs[0].effect == verdict_of(slowed).pairs[0].effect
    assert not timed_out.differences[0][2].estimable and timed_out.differences[0][2].value == inf
    api, function = timed_out.endpoints
    assert api.latency_ms[2].value < 20 and api.n == 380
    assert (api.censored_ms[0], api.censored_ms[2].value) == (slowed.endpoints[0].latency_ms[0], inf)
    assert function.censored_ms == function.latency_ms


def test_an_outage_makes_availability_less_certain_than_scattered_failures_do() -> None:
    for plan in (None, RATE):
        widths = []
        for failing in (range(20), range(0, 400, 20)):
            samples = of_pairs(400)
            samples["failure"][(samples["endpoint"] == 0) & np.isin(samples["group"], failing)] = 8
            api, function = summarise(make_run(plan), samples).endpoints
            assert (api.availability.value, api.availability.n, api.failed) == (0.95, 400, 20)
            assert function.failures_design_effect == 1.0
            widths.append(api.availability.half_width or 0.0)
        assert widths[0] > 2 * widths[1]


@pytest.mark.parametrize("side", [0, 1])
def test_one_short_outage_may_be_chance_and_as_many_single_failures_are_not(side: int) -> None:
    for failing, chance in ((range(100, 112), True), (range(0, 400, 34), False)):
        samples = of_pairs(400)
        samples["failure"][(samples["endpoint"] == side) & np.isin(samples["group"], failing)] = 8
        sentence = verdict_of(summarise(make_run(), samples)).sentence
        assert f"{NAMES[make_run().endpoint_keys[side]]} failed 12 of 400 requests (3%)" in sentence
        assert ("which may be chance" in sentence) == chance


@pytest.mark.parametrize("gap", [{"group": 17, "endpoint": 0}, {"group": 99, "endpoint": 1}])
def test_a_pair_that_lacks_one_side_is_left_out(gap: dict[str, int]) -> None:
    whole = of_pairs(100)
    missing = (whole["group"] == gap["group"]) & (whole["endpoint"] == gap["endpoint"])
    incomplete = summarise(make_run(), whole[~missing])
    complete = summarise(make_run(), whole[whole["group"] != gap["group"]])
    assert verdict_of(incomplete).pairs[0].effect == verdict_of(complete).pairs[0].effect
    assert verdict_of(incomplete).pairs[0].effect.n == 99
    assert incomplete.differences == complete.differences
    assert sorted(side.n for side in incomplete.endpoints) == [99, 100]


def test_pairs_are_matched_by_their_number_and_not_by_their_place() -> None:
    samples = of_pairs(100)
    swapped = samples.copy()
    swapped[0::2], swapped[1::2] = samples[1::2], samples[0::2]  # BA in every pair
    first, second = (verdict_of(summarise(make_run(), one)).pairs[0].effect for one in (swapped, samples))
    assert first == second


def test_instances_are_counted_where_they_are_known() -> None:
    samples = of_pairs(100)
    samples["instance"][samples["endpoint"] == 0] = np.arange(100) % 3 + 1
    samples["instance"][samples["endpoint"] == 1] = 0
    assert [side.instances for side in summarise(make_run(), samples).endpoints] == [3, 0]


@pytest.mark.parametrize("plan", [None, RATE], ids=["pairs", "load"])
@pytest.mark.parametrize("side", [0, 1])
def test_an_endpoint_of_which_most_requests_time_out_is_the_slower_one_by_at_least_the_wait(
    plan: LoadPlan | None, side: int
) -> None:
    samples = of_pairs(400)
    late = (samples["endpoint"] == side) & (samples["group"] % 5 < 3)
    samples["failure"][late], samples["service_ms"][late] = TIMEOUT, 10_000.0
    summary = summarise(make_run(plan), samples)
    verdict = verdict_of(summary)
    assert summary.winner_key == ("function", "api")[side]
    assert verdict.sentence.index("failed 240 of 400") < verdict.sentence.index("answers faster: at least 99")
    bound = verdict.pairs[0].effect.high if side else verdict.pairs[0].effect.low
    assert bound == pytest.approx(0, abs=10_000) and abs(bound) > 9900
    json.dumps(to_document(summary), allow_nan=False)


def test_a_limited_run_claims_nothing() -> None:
    sound = make_run()
    limited = {"generator": {**sound.outcome["generator"], "limited": True, "reasons": ["it was late"]}}
    for faster, slower in ((10.0, 20.0), (10.0, 10.0)):
        summary = summarise(replace(sound, outcome=limited), of_pairs(400, faster, slower))
        assert verdict_of(summarise(sound, of_pairs(400, faster, slower))).outcome is not Outcome.INCONCLUSIVE
        assert (verdict_of(summary).outcome, summary.winner_key) == (Outcome.INCONCLUSIVE, None)
        assert "the client was the limit (it was late)" in to_document(summary)["verdict"]["sentence"]


# --- How sure it is


@pytest.mark.parametrize(("n", "estimable"), [(5, 0), (6, 1), (71, 1), (72, 2), (367, 2), (368, 3)])
def test_below_its_least_number_a_percentile_has_no_interval(n: int, estimable: int) -> None:
    for plan in (None, RATE):
        for side in summarise(make_run(plan), of_pairs(n)).endpoints:
            assert [one.estimable for one in side.latency_ms] == [True] * estimable + [False] * (3 - estimable)
            assert all(one.n == n for one in side.latency_ms)


def test_a_winner_is_an_endpoint_by_its_key() -> None:
    for faster, slower, key in ((10.0, 20.0, "api"), (20.0, 10.0, "function")):
        summary = summarise(make_run(), of_pairs(100, faster, slower))
        assert verdict_of(summary).outcome is Outcome.WINNER
        assert summary.winner_key == key


def test_two_endpoints_of_one_name_are_still_told_apart() -> None:
    sides = [{"key": key, "name": "Service", "url": ""} for key in ("api", "function")]
    assert summarise(make_run(endpoints=sides), of_pairs(100, 20.0, 10.0)).winner_key == "function"


def test_without_a_winner_there_is_no_key() -> None:
    assert summarise(make_run(), of_pairs(100, 10.0, 10.0)).winner_key is None
    assert summarise(make_run(keys=["api"]), of_pairs(100)).winner_key is None


def test_what_the_machine_cannot_resolve_is_not_claimed() -> None:
    assert summarise(make_run(resolution_ms=15.0), of_pairs(100)).winner_key is None
    assert summarise(make_run(resolution_ms=5.0), of_pairs(100)).winner_key == "api"


@pytest.mark.parametrize("means", [(10.0, 20.0), (10.0, 10.0)])
@pytest.mark.parametrize("memory", [None, "1Gi"])
def test_fairness_changes_the_sentence_and_nothing_else(means: tuple[float, float], memory: str | None) -> None:
    samples = of_pairs(400, *means)
    fair = summarise(make_run(), samples)
    unfair = summarise(make_run(facts=with_facts("function", memory=memory)), samples)
    assert [one.name for one in unfair.mismatches] == ["memory"]
    assert unfair.winner_key == fair.winner_key
    assert "hese two deployments differ" in verdict_of(unfair).sentence
    assert "hese two deployments differ" not in verdict_of(fair).sentence
    assert without_sentences(unfair) == without_sentences(fair)
    documents = [to_document(one) for one in (fair, unfair)]
    assert documents[0]["fairness"] == []
    assert documents[1]["fairness"] == [{"name": "memory", "values": ["512Mi", memory]}]


def test_the_facts_are_compared_in_the_endpoints_order() -> None:
    facts = with_facts("function", memory="1Gi")
    turned = {key: facts[key] for key in ("function", "api")}
    (memory,) = summarise(make_run(facts=turned), of_pairs()).mismatches
    assert memory.values == ("512Mi", "1Gi")


# --- Which instances answered


def stated(summary: Summary) -> tuple[str, str]:
    """The state of a verdict, and what its sentence says of it."""
    verdict = verdict_of(summary)
    return verdict.state.value, verdict.sentence.rsplit("n = ", 1)[-1].split(", ", 1)[1].split(")")[0]


def test_what_queued_for_a_start_is_counted_apart_and_in_no_percentile() -> None:
    samples = of_pairs(400)
    first = samples["endpoint"] == 0
    began = np.flatnonzero(first)[:10]
    samples["sent_ms"][began] = samples["scheduled_ms"][began] = np.arange(10.0)
    samples["service_ms"][began] = 2000 - np.arange(10.0)  # all sent at once, and answered once the instance was up
    samples["temperature"][began[0]] = TEMPERATURES.index(Temperature.COLD)  # a count of 1; the others say 2 to 10
    samples["sent_ms"][first & (samples["group"] >= 10)] += 2000
    raw = samples.tobytes()
    summary = summarise(make_run(), samples)
    side = summary.endpoints[0]
    assert side.cold_ms == (2000.0,)
    assert side.queued_ms == tuple(2000.0 - number for number in range(1, 10))
    assert (side.n, side.unknown, side.state) == (390, 0, State.WARM)
    assert side.latency_ms[2].value < 20
    assert verdict_of(summary).pairs[0].effect.n == 390
    document = to_document(summary)["endpoints"]["api"]
    assert (document["n"], document["state"], document["cold_ms"], len(document["queued_ms"])) == (
        390,
        "warm",
        [2000.0],
        9,
    )
    assert samples.tobytes() == raw


def test_a_verdict_on_warm_instances_says_so() -> None:
    assert stated(summarise(make_run(), of_pairs())) == ("warm", "warm")


@pytest.mark.parametrize("of", [0, 1])
def test_a_verdict_on_instances_that_say_nothing_of_themselves_is_not_called_warm(of: int) -> None:
    samples = of_pairs(400)
    samples["temperature"][samples["endpoint"] == of] = UNKNOWN
    summary = summarise(make_run(), samples)
    assert stated(summary) == ("unknown", "instance state unknown")
    assert "warm" not in verdict_of(summary).sentence
    assert [side.state for side in summary.endpoints] == [State.UNKNOWN if at == of else State.WARM for at in (0, 1)]
    document = to_document(summary)
    assert document["verdict"]["state"] == "unknown"
    assert [side["n"] for side in document["endpoints"].values()] == [400, 400]
    assert [side["unknown"] for side in document["endpoints"].values()] == [400 * (at == of) for at in (0, 1)]


@pytest.mark.parametrize("plan", [None, CALLERS])
def test_a_start_that_timed_out_is_not_called_warm(plan: OpenLoopPlan | None) -> None:
    samples = of_pairs(400)
    lost = np.flatnonzero(samples["endpoint"] == 1)[0]
    samples["failure"][lost] = 1 + FAILURES.index(Failure.TIMEOUT)
    samples["temperature"][lost], samples["instance"][lost] = UNKNOWN, 0
    summary = summarise(make_run(plan), samples)
    assert stated(summary) == ("unknown", "instance state unknown")
    assert [side.state for side in summary.endpoints] == [State.WARM, State.WARM]  # all that was answered was


def test_without_any_answer_no_state_is_claimed() -> None:
    refused = [row(at, group, failure=Failure.REFUSED, instance=0) for group in range(20) for at in (0, 1)]
    summary = summarise(make_run(), from_rows(refused))
    assert verdict_of(summary).state is State.UNKNOWN
    assert "(instance state unknown)" in verdict_of(summary).sentence
    assert [side.state for side in summary.endpoints] == [State.UNKNOWN, State.UNKNOWN]


def test_errors_are_empty_where_nothing_failed() -> None:
    document = to_document(summarise(make_run(), of_pairs()))
    assert [side["errors"] for side in document["endpoints"].values()] == [{}, {}]


# --- Loops


def test_an_open_loop_counts_from_the_scheduled_send() -> None:
    samples = of_pairs(400)
    samples["sent_ms"] += 100.0
    summary = summarise(make_run(RATE), samples)
    assert summary.is_open_loop
    for side in summary.endpoints:
        both = zip(side.response_ms, side.service_ms, strict=True)
        assert [response.value - service.value for response, service in both] == pytest.approx([100.0] * 3, abs=1e-3)
        assert side.latency_ms is side.response_ms
    assert verdict_of(summary).metric == "p50 of the response time"
    assert "hides stalls" not in verdict_of(summary).conditions[0]


def test_callers_have_service_time_alone_and_it_says_what_that_hides() -> None:
    summary = summarise(make_run(CALLERS), of_pairs(400))
    assert not summary.is_open_loop
    assert all(side.response_ms == () for side in summary.endpoints)
    assert verdict_of(summary).conditions[0] == "closed loop, 2 callers to each: service time, which hides stalls"


def test_a_freeze_shows_in_the_tail_of_an_open_loop() -> None:
    truth = Truth((TrueEndpoint(10.0),) * 2, Machine(freezes=((5000.0, 2000.0),)))
    summary = summarise(*simulated(OpenLoopPlan(rate=50, duration_s=20, warmup=0), truth))
    assert all(side.latency_ms[2].value > 1000 for side in summary.endpoints)


def test_one_endpoint_has_figures_and_no_verdict() -> None:
    summary = summarise(make_run(keys=["api"]), of_pairs(100))
    assert (summary.verdict, summary.differences, summary.mismatches) == (None, (), ())
    assert summary.endpoints[0].n == 100


FOUR = Truth((TrueEndpoint(50.0), TrueEndpoint(80.0), TrueEndpoint(50.0), TrueEndpoint(65.0)))


@pytest.mark.parametrize("plan", [ComparePlan(pairs=400), OpenLoopPlan(rate=50, duration_s=20)])
def test_four_endpoints_have_an_order_and_a_difference_of_each_pair(plan: ComparePlan | OpenLoopPlan) -> None:
    summary = summarise(*simulated(plan, FOUR))
    verdict = verdict_of(summary)
    assert verdict.order == ((0, 2), (3,), (1,))
    assert [(pair.first, pair.second) for pair in verdict.pairs] == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    assert [pair.winner for pair in verdict.pairs] == [0, None, 0, 2, 3, 2]
    assert (verdict.outcome, verdict.winner, summary.winner_key) == (Outcome.INCONCLUSIVE, None, None)
    assert len(summary.differences) == 6
    for pair, differences in zip(verdict.pairs, summary.differences, strict=True):
        assert len(differences) == 3
        assert differences[0].value == pytest.approx(pair.effect.value, abs=4)
        if isinstance(plan, OpenLoopPlan):
            assert differences[0] == pair.effect
    assert (summary.verdict and "blocks" in summary.verdict.sentence) or isinstance(plan, OpenLoopPlan)


def test_a_pair_among_several_has_a_wider_interval_than_alone() -> None:
    alone = verdict_of(summarise(*simulated(ComparePlan(pairs=300), Truth((TrueEndpoint(),) * 2)))).pairs[0]
    _, samples = simulated(ComparePlan(pairs=300), Truth((TrueEndpoint(),) * 2))
    third = samples[samples["endpoint"] == 1].copy()
    third["endpoint"] = 2
    run, _ = simulated(ComparePlan(pairs=300), Truth((TrueEndpoint(),) * 3))
    among = verdict_of(summarise(run, join([samples, third]))).pairs[0]
    assert (alone.confidence, among.confidence) == (0.95, pytest.approx(1 - 0.05 / 3))
    assert among.effect.value == alone.effect.value
    assert among.effect.low < alone.effect.low < alone.effect.high < among.effect.high


def test_the_document_of_any_number_has_pairs_and_an_order_and_that_of_two_todays_keys() -> None:
    for count in (1, 2, 4):
        run, samples = simulated(ComparePlan(pairs=200), Truth(FOUR.endpoints[:count]))
        document = json.loads(json.dumps(to_document(summarise(run, samples)), allow_nan=False))
        assert (document["difference"] is None) == (document["differences_ms"] is None) == (count != 2)
        assert len(document["pairs"]) == count * (count - 1) // 2
        assert (document["verdict"] is None) == (count == 1)
    assert document["verdict"]["order"] == [["first", "third"], ["fourth"], ["second"]]
    pair = document["pairs"][0]
    assert (pair["first"], pair["second"], pair["outcome"], pair["winner"]) == ("first", "second", "winner", "first")
    assert pair["low_ms"] < pair["value_ms"] < pair["high_ms"] < 0
    assert list(pair["differences_ms"]) == ["p50", "p95", "p99"]


def test_a_percentile_is_added_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PERCENTILES, "p99.9", 0.999)
    run, samples = simulated(ComparePlan(pairs=4000), Truth((TrueEndpoint(), TrueEndpoint())))
    summary = summarise(run, samples)
    document = to_document(summary)
    assert list(document["endpoints"]["first"]["service_ms"]) == ["p50", "p95", "p99", "p99.9"]
    assert list(document["differences_ms"]) == ["p50", "p95", "p99", "p99.9"]
    console = Console(file=io.StringIO(), width=300)
    print_summary(summary, console)
    assert "service p99.9 (ms)" in console.file.getvalue()  # type: ignore[attr-defined]
    value_ms = summary.endpoints[0].service_ms[3].value
    assert check_slo(summary, f"first.p99.9_ms<{value_ms + 1}").holds
    assert not check_slo(summary, f"first.p99.9_ms<{value_ms - 1}").holds
    text = to_markdown(build([(run, samples)], load_prices(), UTC, None))
    assert "service p99.9 (ms)" in text
    assert "First (simulated) p99.9 " in text, "the drawing of the percentiles says it in words"


@pytest.mark.parametrize("plan", [None, RATE, CALLERS])
@pytest.mark.parametrize("samples", [empty(), of_pairs(1), of_pairs(1)[:1]])
def test_a_run_that_ended_early_can_be_summarised(plan: LoadPlan | None, samples: Samples) -> None:
    summary = summarise(make_run(plan), samples)
    assert verdict_of(summary).outcome is Outcome.INCONCLUSIVE
    json.dumps(to_document(summary), allow_nan=False)


def test_one_run_gives_the_same_summary_every_time() -> None:
    run, samples = simulated(ComparePlan(pairs=200))
    assert summarise(run, samples) == summarise(run, samples)


# --- Stages and goodput

SPIKE = StagedPlan((Stage(20, 20), Stage(5, 200), Stage(20, 20)), "constant", warmup=20, goodput_ms=100.0)
WEAK = Truth((TrueEndpoint(20.0, instances=20), TrueEndpoint(20.0, instances=3, error_share=0.1)))


def test_each_stage_has_the_requests_that_were_due_in_it() -> None:
    run, samples = simulate_run(WEAK, SPIKE)
    strong, weak = summarise(run, samples).endpoints
    for one in (strong, weak):
        assert [found.attempts for found in one.stages] == [380, 1000, 400]  # without the warm-up
        assert sum(found.attempts for found in one.stages) == one.attempts
        assert sum(found.failed for found in one.stages) == one.failed
    assert [found.rate for found in strong.stages] == pytest.approx([20, 200, 20], rel=0.01)
    assert [found.rate for found in weak.stages] == pytest.approx([18, 180, 18], rel=0.1)
    # Three instances serve 150 a second: whoever is due in the spike queues, and those after it for a while.
    calm, spike, after = ([estimate.value for estimate in found.response_ms] for found in weak.stages)
    assert calm[1] < 40 and spike[1] > 1000
    assert calm[0] < after[0] < spike[0]
    assert [found.response_ms[0].n for found in weak.stages] == [found.attempts - found.failed for found in weak.stages]
    assert strong.stages[1].response_ms[1].value < 60


def test_stages_that_a_run_did_not_reach_are_empty_and_a_part_of_one_is_counted_as_that() -> None:
    run, samples = simulate_run(WEAK, SPIKE)
    cut = samples[samples["scheduled_ms"] <= 22_000]
    one, _ = summarise(replace(run, state=RunState.ABORTED), cut).endpoints
    assert [found.reached_s for found in one.stages] == pytest.approx([20, 2, 0], abs=0.01)
    assert [found.rate for found in one.stages] == pytest.approx([20, 200, 0], rel=0.01)
    assert one.stages[2].attempts == 0 and not one.stages[2].response_ms[0].n


def test_goodput_is_the_share_within_the_limit_and_a_failure_is_not_within() -> None:
    plan = OpenLoopPlan(rate=25, duration_s=16, warmup=0, goodput_ms=50.0)
    rows = [row(0, at, 30.0 if at % 10 else 70.0) for at in range(390)]
    rows += [row(0, at, 1.0, failure=Failure.SERVER_ERROR) for at in range(390, 400)]
    rows += [row(0, at, 1.0, warmup=True) for at in range(400, 420)]
    found = summarise(make_run(plan, keys=("api",)), from_rows(rows)).endpoints[0].goodput
    assert found is not None
    assert (found.limit_ms, found.share.value, found.share.n) == (50.0, 351 / 400, 400)
    assert found.share.low is not None and found.share.high is not None
    assert found.share.low < 351 / 400 < found.share.high
    late = from_rows([row(0, at, 30.0, scheduled_ms=40.0 * at - 30) for at in range(1, 400)])
    found = summarise(make_run(plan, keys=("api",)), late).endpoints[0].goodput
    assert found is not None and found.share.value == 0  # response time counts, not service time


def test_bursts_of_slow_answers_widen_the_interval_of_the_goodput() -> None:
    plan = OpenLoopPlan(rate=25, duration_s=80, warmup=0, goodput_ms=50.0)

    def width(is_slow: Any) -> float:
        rows = [row(0, at, 90.0 if is_slow(at) else 10.0) for at in range(2000)]
        found = summarise(make_run(plan, keys=("api",)), from_rows(rows)).endpoints[0].goodput
        assert found is not None and found.share.value == 0.9 and found.share.half_width is not None
        return found.share.half_width

    assert width(lambda at: 900 <= at < 1100) > 2 * width(lambda at: at % 10 == 0)


def test_a_plan_without_a_limit_has_no_goodput() -> None:
    one = summarise(make_run(), of_pairs()).endpoints[0]
    assert one.goodput is None and one.stages == () and one.correctness is None


def test_stages_goodput_and_changed_answers_are_shown_everywhere() -> None:
    run, samples = simulate_run(WEAK, SPIKE)
    counted = {"bodies": 3, "unstable": 1, "instances": [{"id": "abc", "compared": 900, "changed": 7}]}
    counted["instances"].append({"id": None, "compared": 100, "changed": 0})  # type: ignore[attr-defined]
    run = replace(run, outcome=make_run().outcome | {"correctness": {"first": counted}})
    summary = summarise(run, samples)
    document = json.loads(json.dumps(to_document(summary), allow_nan=False))
    first, second = document["endpoints"].values()
    assert [(one["planned_rate"], one["attempts"]) for one in first["stages"]] == [(20, 380), (200, 1000), (20, 400)]
    assert first["goodput"]["limit_ms"] == 100 and first["goodput"]["value"] > second["goodput"]["value"]
    assert (first["correctness"]["compared"], first["correctness"]["changed"]) == (1000, 7)
    assert "correctness" not in second
    screen = Console(file=io.StringIO(), width=400)
    print_summary(summary, screen)
    report = to_markdown(build([(run, samples)], load_prices(), UTC, None))
    for text in (screen.file.getvalue(), report):  # type: ignore[attr-defined]
        assert "goodput, 100 ms (%)" in text
        assert "2: 200/s for 5 s" in text
        assert "7 of 1000 (by instance: abc 7 of 900), 1 of 3 inputs unstable at rest" in text


def test_an_aborted_run_says_why_everywhere() -> None:
    run, samples = simulate_run(WEAK, SPIKE)
    why = "error_rate>0.05: Second had 0.12 in the last 10 s (n = 240)"
    run = replace(run, state=RunState.ABORTED, outcome={**make_run().outcome, "reason": why})
    summary = summarise(run, samples)
    screen = Console(file=io.StringIO(), width=400)
    print_summary(summary, screen)
    assert f"Aborted: {why}" in screen.file.getvalue()  # type: ignore[attr-defined]
    document = to_document(summary)
    assert (document["state"], document["reason"]) == ("aborted", why)
    report = to_markdown(build([(run, samples)], load_prices(), UTC, None))
    assert f"it is aborted ({why})" in report.replace("\\", "")


# --- As JSON


@pytest.mark.parametrize("plan", [ComparePlan(pairs=400), OpenLoopPlan(rate=50, duration_s=10)])
def test_the_document_has_the_shape_that_others_rely_on(plan: ComparePlan | OpenLoopPlan) -> None:
    run, samples = simulated(plan)
    run = replace(run, outcome=make_run().outcome)
    document = json.loads(json.dumps(to_document(summarise(run, samples)), allow_nan=False))
    latency = "response_ms" if isinstance(plan, OpenLoopPlan) else "service_ms"
    assert (document["format_version"], document["kind"]) == (1, plan.kind)
    assert document["manifest"] == json.loads(json.dumps(run.manifest))
    assert list(document["endpoints"]) == ["first", "second"]
    for side in document["endpoints"].values():
        assert {"n", "errors", latency, "rate", "phases_ms", "server_ms"} <= set(side)
        assert ("response_ms" in side) == (latency == "response_ms")
        assert list(side[latency]) == ["p50", "p95", "p99"]
        for figure in (*side[latency].values(), *side["server_ms"].values()):
            assert {"value", "low", "high"} <= set(figure)
            assert figure["low"] <= figure["value"] <= figure["high"]
        assert list(side["phases_ms"]) == ["dns", "connect", "tls", "wait", "receive"]
        assert side["phases_ms"]["tls"] is None
    difference = document["difference"]
    assert {"metric", "value_ms", "low_ms", "high_ms"} <= set(difference)
    assert difference["value_ms"] == pytest.approx(-8, abs=3), "the first minus the second"
    assert difference["low_ms"] < difference["value_ms"] < difference["high_ms"]
    verdict = document["verdict"]
    assert (verdict["outcome"], verdict["winner"]) == ("winner", "first")
    assert verdict["sentence"].startswith("First (simulated) answers faster: ")
    assert {"floor_ms", "loop_lag_ms", "late_ms", "cpu", "limited"} <= set(document["generator"])


def test_a_run_without_two_endpoints_has_neither_difference_nor_verdict() -> None:
    document = to_document(summarise(make_run(keys=["api"]), of_pairs(100)))
    assert document["difference"] is None
    assert document["verdict"] is None
    assert document["differences_ms"] is None


def test_a_run_without_a_generator_says_that_it_is_unknown() -> None:
    document = to_document(summarise(replace(make_run(), outcome={}), of_pairs()))
    assert document["generator"] == dict.fromkeys(("floor_ms", "loop_lag_ms", "late_ms", "cpu", "limited")) | {
        "reasons": []
    }


def test_one_worker_with_enough_requests_for_a_percentile_says_nothing_of_the_others() -> None:
    random = np.random.default_rng(1)
    enough = min_samples(0.99)

    def side(position: int, counts: Sequence[int]) -> Samples:
        parts = []
        for worker, count in enumerate(counts, 1):
            rows = np.full(count, from_rows([make_row(endpoint=position, worker=worker)])[0])
            rows["sent_ms"] = rows["scheduled_ms"] = np.sort(random.uniform(0, 10_000, count))
            rows["service_ms"] = 20 + random.gamma(4, 1.5, count) + 5 * position * (worker - 1)
            parts.append(rows)
        return in_order(join(parts))

    def p99(counts: Sequence[int]) -> Estimate:
        return summarise_module._Streams(True, [side(0, counts), side(1, counts)])._differences(0, 1, [0.99], 0.95)[0]

    assert p99([enough + 10, enough - 10, enough - 10, enough - 10]).low is None
    both = p99([enough + 10, enough + 10, enough - 10, enough - 10])
    assert both.low is not None and both.high is not None and both.high - both.low > 20
