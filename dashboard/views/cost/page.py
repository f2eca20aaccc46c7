"""The Cost page: what a month of requests costs on both endpoints, gross and net, and where one becomes the cheaper."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

import streamlit as st

from benchmark.cost.bill import (
    EQUAL,
    FUNCTION_DEFAULTS,
    SERVICE_DEFAULTS,
    Configuration,
    Cost,
    CostError,
    Workload,
    monthly_cost,
)
from benchmark.cost.prices import BILLINGS, Billing, PriceError
from benchmark.cost.traffic import STEADY, Traffic, TrafficError, read_csv
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.fairness import facts, region
from dashboard import resources
from dashboard.components import markup
from dashboard.views.cost import text as cost_text

if TYPE_CHECKING:
    from dashboard.views.cost.charts import Option

PRESETS = {
    "Same size": {"api": EQUAL, "function": EQUAL},
    "As the platforms deploy them": {"api": SERVICE_DEFAULTS, "function": FUNCTION_DEFAULTS},
}
"""Both endpoints as this project deploys them, and each as it comes when nobody says anything."""
DEFAULT_REQUESTS = 5_000_000
DEFAULT_SERVICE_MS = 20.0
_MOST_REQUESTS = 100_000_000_000
_FILE = "File"
_REPORTED = "reported"
_WAIT_FOR_REGION_S = 1.0
_VCPUS = (0.0833, 0.1666, 0.3333, 0.5833, 1, 2, 4, 6, 8)
_MEMORIES_GIB = (0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32)

T = TypeVar("T", int, float)
V = TypeVar("V", float, Billing, str)
Offer = tuple[Workload, Configuration]


@lru_cache(maxsize=20_000)
def _cost(workload: Workload, configuration: Configuration) -> Cost:
    """Kept, because every change of one input asks for the whole chart again. Raises CostError."""
    return monthly_cost(workload, configuration, resources.prices())


def page() -> None:
    endpoints = resources.settings().endpoints
    st.markdown(
        "#### What a month costs\n"
        ":gray[:small[The platform's billing rules over the instances that your traffic needs, from a dated price "
        "list. A 2nd-generation function is billed as a Cloud Run service.]]"
    )
    left, right = st.columns([1, 2.15], gap="medium")
    with left:
        requests, traffic = _traffic_inputs()
        offers = _configurations(endpoints, requests, traffic)
    with right:
        costs = _cards(endpoints, offers)
        _verdict(endpoints, costs, requests)
        _break_even(endpoints, offers, requests)
    _explanations()


# --- Inputs


def _traffic_inputs() -> tuple[int, Traffic]:
    with st.container(border=True, key="inputs-traffic"):
        requests = st.number_input(
            "Requests a month",
            min_value=0,
            max_value=_MOST_REQUESTS,
            value=DEFAULT_REQUESTS,
            step=1_000_000,
            key="cost_requests",
            bind="query-params",
        )
        shape = st.segmented_control(
            "Traffic",
            [*cost_text.SHAPES, _FILE],
            default="Steady",
            required=True,
            key="cost_traffic",
            bind="query-params",
            help="Steady: evenly spaced, day and night. Office hours: eight hours on five days of a week. Bursts: all "
            "in the first minute of every hour. File: a CSV with the requests of each minute in its last column, which "
            "repeats and is scaled to the requests a month.",
        )
        if shape == _FILE:
            return requests, _uploaded()
    return requests, cost_text.SHAPES[shape or "Steady"]


def _uploaded() -> Traffic:
    file = st.file_uploader("Requests of each minute", type="csv", key="cost_file")
    if file is None:
        st.caption("Until there is a file, the traffic is steady.")
        return STEADY
    try:
        return read_csv(file.getvalue().decode("utf-8"), file.name)
    except (TrafficError, UnicodeDecodeError) as error:
        reason = str(error) if isinstance(error, TrafficError) else "it is not text in UTF-8"
        st.warning(markup.plain(f"{file.name}: {reason}. The traffic is steady instead."))
        return STEADY


def _configurations(endpoints: Sequence[Endpoint], requests: int, traffic: Traffic) -> list[Offer | str]:
    """What each endpoint is to be billed for, or why the platform does not offer it."""
    with st.container(border=True, key="inputs-configurations"):
        st.pills("Start from", list(PRESETS), key="cost_preset", on_change=_apply_preset, label_visibility="collapsed")
        with st.container(horizontal=True, key="row-names", gap="small"):
            st.markdown("", width="stretch")
            for endpoint in endpoints:
                with st.container(key=f"name-{endpoint.key}"):
                    st.markdown(f"**{markup.plain(endpoint.name)}**")
        services_ms = _numbers("service_ms", "Service (ms)", endpoints, DEFAULT_SERVICE_MS, 60_000.0)
        vcpus = _choices("vcpu", "vCPU", endpoints, _VCPUS, EQUAL.vcpu)
        memories_gib = _choices("memory_gib", "Memory (GiB)", endpoints, _MEMORIES_GIB, EQUAL.memory_gib)
        concurrencies = _numbers("concurrency", "Concurrency", endpoints, EQUAL.concurrency, 1000, least=1)
        regions = _regions(endpoints)
        minima = _numbers("min_instances", "Min instances", endpoints, 0, 1000)
        billings = _choices("billing", "Billing", endpoints, BILLINGS, EQUAL.billing)
        startups_ms = _numbers("startup_ms", "Start-up (ms)", endpoints, 0.0, 240_000.0)
        colds_percent = _numbers("cold_percent", "Cold starts (%)", endpoints, 0.0, 100.0)
        st.caption(
            "Service: how long a request keeps an instance, and a processor of it, busy, so that a concurrency above"
            " the number of vCPU changes nothing here. Cold starts: the share that waits for one. Billing: by request"
            " or for an instance's whole life. Region: unless you choose one, the one that the endpoint reports."
        )
        if len(set(vcpus)) > 1 and len(set(services_ms)) == 1:
            st.caption(
                ":material/info: The same work takes longer on less of a vCPU: give each the service time that it has."
            )
    offers: list[Offer | str] = []
    for index in range(len(endpoints)):
        try:
            configuration = Configuration(
                vcpus[index], memories_gib[index], concurrencies[index], minima[index], billings[index], regions[index]
            )
            resources.prices().tier(configuration.region)
            cold_fraction = colds_percent[index] / 100
            workload = Workload(requests, (services_ms[index],), traffic, startups_ms[index], cold_fraction)
            offers.append((workload, configuration))
        except (CostError, PriceError) as error:
            offers.append(str(error))
    return offers


def _regions(endpoints: Sequence[Endpoint]) -> list[str | None]:
    """Where each endpoint runs: what is chosen, or else what it reports; None where it reports nothing."""
    chosen = _choices("region", "Region", endpoints, (_REPORTED, *resources.prices().regions), _REPORTED)
    reported = resources.catalog().served(endpoints, wait_s=_WAIT_FOR_REGION_S) if _REPORTED in chosen else []
    return [
        one if one != _REPORTED else region(facts(served)) if (served := reported[index]) else None
        for index, one in enumerate(chosen)
    ]


def _numbers(
    name: str, label: str, endpoints: Sequence[Endpoint], default: T, most: T, least: T | None = None
) -> list[T]:
    """One setting of both endpoints, as numbers of the default's kind."""
    values: list[T] = []
    with _row(name, label):
        for endpoint in endpoints:
            values.append(
                st.number_input(
                    f"{label}, {markup.plain(endpoint.name)}",
                    min_value=type(default)(0) if least is None else least,
                    max_value=most,
                    value=default,
                    step=type(default)(1),
                    format="%d" if isinstance(default, int) else "%g",
                    key=f"{endpoint.key}_{name}",
                    label_visibility="collapsed",
                    bind="query-params",
                )
            )
    return values


def _choices(name: str, label: str, endpoints: Sequence[Endpoint], options: Sequence[V], default: V) -> list[V]:
    """One setting of both endpoints, from a list."""
    with _row(name, label):
        return [
            st.selectbox(
                f"{label}, {markup.plain(endpoint.name)}",
                options,
                index=options.index(default),
                format_func=lambda option: option if isinstance(option, str) else f"{option:g}",
                key=f"{endpoint.key}_{name}",
                label_visibility="collapsed",
                bind="query-params",
            )
            for endpoint in endpoints
        ]


@contextmanager
def _row(name: str, label: str) -> Iterator[None]:
    with st.container(horizontal=True, vertical_alignment="center", key=f"row-{name}", gap="small"):
        st.markdown(label, width="stretch")
        yield


def _apply_preset() -> None:
    preset = PRESETS.get(st.session_state.cost_preset or "")
    for key, configuration in (preset or {}).items():
        for name in ("vcpu", "memory_gib", "concurrency", "min_instances", "billing"):
            st.session_state[f"{key}_{name}"] = getattr(configuration, name)
    # A pill is a shortcut, not a state: after the next change of a setting it would be wrong.
    st.session_state.cost_preset = None


# --- Bills


def _cards(endpoints: Sequence[Endpoint], offers: Sequence[Offer | str]) -> list[Cost | None]:
    """A card an endpoint; returns the bills, None where there is none."""
    costs: list[Cost | None] = []
    problems: list[str] = []
    for offer in offers:
        try:
            costs.append(None if isinstance(offer, str) else _cost(*offer))
            problems.append(offer if isinstance(offer, str) else "")
        except CostError as error:
            costs.append(None)
            problems.append(str(error))
    longest_usd = max((part for cost in costs if cost for part in _parts(cost).values()), default=0.0)
    columns = st.columns(len(endpoints), gap="medium")
    for column, endpoint, offer, cost, problem in zip(columns, endpoints, offers, costs, problems, strict=True):
        with column.container(border=True, key=f"card-{endpoint.key}", height="stretch"):
            billing = "" if isinstance(offer, str) else cost_text.BILLING_NAMES[offer[1].billing]
            with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
                st.markdown(f"**{markup.plain(endpoint.name)}**", width="content")
                if cost:
                    st.badge(billing, color="gray")
                else:
                    st.badge("No bill", icon=":material/close:", color="red")
            if cost is None or isinstance(offer, str):
                st.markdown(markup.plain(f"{problem[:1].upper()}{problem[1:]}."))
                continue
            _bill(endpoint, cost, offer[1], longest_usd)
    return costs


def _bill(endpoint: Endpoint, cost: Cost, configuration: Configuration, longest_usd: float) -> None:
    with st.container(horizontal=True, key=f"metrics-{endpoint.key}"):
        st.metric(
            "Net (USD / month)",
            cost_text.usd(cost.net_usd),
            help="After the free tier, which is once for a whole billing account: what else uses it leaves less of it.",
        )
        st.metric("Gross (USD / month)", cost_text.usd(cost.gross_usd), help="Before the free tier.")
    for name, part_usd in _parts(cost).items():
        with st.container(key=f"part-{endpoint.key}-{name.lower()}"):
            share = min(1.0, part_usd / longest_usd) if longest_usd else 0.0
            st.progress(share, text=f"**{markup.plain(cost_text.usd(part_usd))}** {name}")
    st.caption(markup.plain(cost_text.conditions(cost, configuration, resources.prices())))


def _parts(cost: Cost) -> dict[str, float]:
    """The parts of the gross bill, in USD."""
    return {"vCPU": cost.vcpu_usd, "Memory": cost.memory_usd, "Requests": cost.requests_usd, "Idle": cost.idle_usd}


def _verdict(endpoints: Sequence[Endpoint], costs: Sequence[Cost | None], requests: int) -> None:
    verdict = cost_text.verdict([endpoint.name for endpoint in endpoints], costs, requests)
    icon, color = {
        "agree": (":material/equal:", "gray"),
        "disagree": (":material/trending_down:", "green"),
        "unknown": (":material/help:", "gray"),
    }[verdict.outcome]
    with st.container(border=True, key="verdict"):
        st.markdown(f":{color}-badge[{icon} {markup.plain(verdict.headline)}] {markup.plain(verdict.sentence)}")


def _break_even(endpoints: Sequence[Endpoint], offers: Sequence[Offer | str], requests: int) -> None:
    # Imported here: drawing costs most of a second to import, which the other pages should not pay.
    from dashboard.components.panels import panel
    from dashboard.views.cost import charts as draw

    # The switch stands in the chart's own head, so at the first run only the address knows of it.
    shown = st.session_state.get("cost_basis") or st.query_params.get("cost_basis")
    basis: cost_text.Basis = "net" if shown == "Net" else "gross"
    options = _options(endpoints, offers, basis)
    if not options:
        return
    span = (min(10_000, max(requests, 1)), max(1_000_000_000, requests))
    found = draw.named_crossings(options, span)

    def choose_basis() -> None:
        st.segmented_control(
            "Free tier",
            ["Gross", "Net"],
            default="Gross",
            required=True,
            key="cost_basis",
            label_visibility="collapsed",
            bind="query-params",
            width="content",
        )

    sentences = [cost_text.crossing(one.cheaper.label, one.dearer.label, one.at) for one in found]
    labels = ", ".join(option.label for option in options)
    panel(
        "break-even",
        "Break-even",
        draw.break_even(options, found, requests, span, resources.palette()),
        f"{basis.capitalize()} cost in USD a month over requests a month, from {cost_text.count(span[0])} to "
        f"{cost_text.count(span[1])}, for {labels}. " + " ".join(sentences or ["No two of them cross."]),
        lambda: draw.table(options, span),
        choose_basis,
    )
    with st.container(key="crossings", gap="xsmall"):
        for sentence in sentences or ["None of these lines crosses another: the order by cost is the same throughout."]:
            st.caption(markup.plain(sentence))
        st.caption(
            "A line is flatter where its instances are busy without a pause, and steps up where one more is needed to "
            "keep each within 60 % of its vCPU and concurrency."
        )


def _options(endpoints: Sequence[Endpoint], offers: Sequence[Offer | str], basis: cost_text.Basis) -> "list[Option]":
    """What the chart compares: each endpoint as it is set, then with the other kind of billing where it is offered."""
    from dashboard.views.cost.charts import Option

    chosen, other = [], []
    seen: set[Offer] = set()
    for endpoint, offer in zip(endpoints, offers, strict=True):
        if isinstance(offer, str):
            continue
        workload, configuration = offer
        name = cost_text.BILLING_NAMES[configuration.billing]
        chosen.append(Option(f"{endpoint.name}, {name}", endpoint.key, True, _as_function(offer, basis)))
        billing: Billing = "instance" if configuration.billing == "request" else "request"
        try:
            contrary = (workload, replace(configuration, billing=billing))
        except CostError:
            continue
        if offer not in seen:  # of two that are set alike one is enough
            label = f"{endpoint.name}, {cost_text.BILLING_NAMES[billing]}"
            other.append(Option(label, endpoint.key, False, _as_function(contrary, basis)))
        seen.add(offer)
    return chosen + other


def _as_function(offer: Offer, basis: cost_text.Basis) -> Callable[[int], float]:
    workload, configuration = offer
    return lambda requests: cost_text.basis_usd(
        _cost(replace(workload, requests_per_month=requests), configuration), basis
    )


# --- Explanations


def _explanations() -> None:
    prices = resources.prices()
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True, key="note-prices", height="stretch"):
        st.markdown(f"**Prices (USD, {prices.as_of})**")
        st.markdown(cost_text.prices_table(prices))
        st.caption(
            f"From [the published prices]({prices.source}); each [region]({prices.regions_source}) has those of its "
            "tier. Look there before you rely on them. The free tier is a discount at the prices of tier 1 everywhere. "
            f"A month is 30 days; every busy interval of an instance is rounded up to {prices.rounding_ms:g} ms. Not "
            "counted: network, images, builds, maximum instances."
        )
    with right, st.container(border=True, key="note-claims", height="stretch"):
        st.markdown("**Often claimed and wrong**")
        for claim, truth in cost_text.claims(prices):
            st.markdown(f"*{markup.plain(f'“{claim}.”')}*  \n{markup.plain(truth)}")
