"""The Cost page: what a month of requests costs on each endpoint, gross and net, and where the order changes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

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
from dashboard.components.grid import wide_cells
from dashboard.components.panels import charts_wanted, panel
from dashboard.views.cost import charts as draw
from dashboard.views.cost import text as cost_text
from dashboard.views.cost.charts import Option

PRESETS: dict[str, Callable[[str], Configuration]] = {
    "Same size": lambda _: EQUAL,
    "As the platforms deploy them": lambda key: FUNCTION_DEFAULTS if key == "function" else SERVICE_DEFAULTS,
}
"""The sizes by endpoint key: those that this project deploys, or the platform's defaults."""
DEFAULT_REQUESTS = 5_000_000
DEFAULT_SERVICE_MS = 20.0
_MOST_REQUESTS = 100_000_000_000
_FILE = "File"
_REPORTED = "reported"
_WAIT_FOR_REGION_S = 1.0
_BOTH_BILLINGS = 2
"""Up to this many endpoints, the chart also shows the other kind of billing."""
_IN_ONE_TABLE = 2
"""Up to this many endpoints have their settings side by side; more have tabs."""
_VCPUS = (0.0833, 0.1666, 0.3333, 0.5833, 1, 2, 4, 6, 8)
_MEMORIES_GIB = (0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32)

T = TypeVar("T", int, float)
V = TypeVar("V", float, Billing, str)
Offer = tuple[Workload, Configuration]


@lru_cache(maxsize=20_000)
def _cost(workload: Workload, configuration: Configuration) -> Cost:
    """The bill, cached because every change of an input redraws the whole chart. Raises CostError."""
    return monthly_cost(workload, configuration, resources.prices())


def page() -> None:
    endpoints = resources.settings().endpoints
    st.markdown(
        "#### What a month costs\n"
        ":gray[:small[The platform's billing rules applied to the instances that your traffic needs, with prices "
        "from a dated list. A 2nd-generation function is billed as a Cloud Run service.]]"
    )
    left, right = st.columns([1, 2.15], gap="medium")
    with left:
        requests, traffic = _traffic_inputs()
        offers = _configurations(endpoints, requests, traffic)
    with right:
        # With three or five cards, the verdict takes the place that is left in the last row.
        places = wide_cells(len(endpoints) + (len(endpoints) > 1 and len(endpoints) % 2))
        costs = _cards(places[: len(endpoints)], endpoints, offers)
        with places[-1] if len(places) > len(endpoints) else st.container():
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
            help="Steady: evenly spaced, day and night. Office hours: eight hours a day, five days a week. Bursts: all "
            "in the first minute of every hour. File: a CSV with the requests per minute in its last column. It "
            "repeats and is scaled to the requests a month.",
        )
        if shape == _FILE:
            return requests, _uploaded()
    return requests, cost_text.SHAPES[shape or "Steady"]


def _uploaded() -> Traffic:
    file = st.file_uploader("Requests of each minute", type="csv", max_upload_size=1, key="cost_file")
    if file is None:
        st.caption("Traffic is steady until you choose a file.")
        return STEADY
    try:
        return read_csv(file.getvalue().decode("utf-8"), file.name)
    except (TrafficError, UnicodeDecodeError) as error:
        reason = str(error) if isinstance(error, TrafficError) else "it is not text in UTF-8"
        st.warning(markup.plain(f"{file.name}: {reason}. Traffic is steady instead."))
        return STEADY


@dataclass(frozen=True, slots=True)
class _Settings:
    """The settings of one endpoint. `region` may also be the one that it reports."""

    service_ms: float
    vcpu: float
    memory_gib: float
    concurrency: int
    region: str
    min_instances: int
    billing: Billing
    startup_ms: float
    cold_percent: float


def _configurations(endpoints: Sequence[Endpoint], requests: int, traffic: Traffic) -> list[Offer | str]:
    """What each endpoint is billed for, or why the platform does not offer it."""
    with st.container(border=True, key="inputs-configurations"):
        keys = tuple(endpoint.key for endpoint in endpoints)
        st.pills(
            "Start from",
            list(PRESETS),
            key="cost_preset",
            on_change=_apply_preset,
            args=(keys,),
            label_visibility="collapsed",
        )
        if len(endpoints) <= _IN_ONE_TABLE:
            settings = _table(endpoints)
        else:
            settings = []
            for endpoint, tab in zip(endpoints, st.tabs([markup.plain(one.name) for one in endpoints]), strict=True):
                with tab:
                    settings += _table([endpoint])
        st.caption(
            "Service: how long a request keeps an instance, and one of its processors, busy; a concurrency above the"
            " number of vCPU changes nothing here. Cold starts: the share of requests that wait for one. Billing: by"
            " request or for an instance's whole life. Region: what the endpoint reports, unless you choose one."
        )
        if len({one.vcpu for one in settings}) > 1 and len({one.service_ms for one in settings}) == 1:
            st.caption(
                ":material/info: The same work takes longer on a smaller share of a vCPU: set the service time of each "
                "endpoint."
            )
    regions = _regions(endpoints, settings)
    return [_offer(one, where, requests, traffic) for one, where in zip(settings, regions, strict=True)]


def _table(endpoints: Sequence[Endpoint]) -> list[_Settings]:
    """The settings of these endpoints: one row per setting, one column per endpoint."""
    # Several tables on a page need containers with different keys.
    suffix = "" if len(endpoints) == _IN_ONE_TABLE else f"-{endpoints[0].key}"
    with st.container(horizontal=True, key=f"row-names{suffix}", gap="small"):
        st.markdown("", width="stretch")
        for endpoint in endpoints:
            with st.container(key=f"name-{endpoint.key}"):
                st.markdown(f"**{markup.plain(endpoint.name)}**")
    regions = (_REPORTED, *resources.prices().regions)
    columns = (
        _numbers("service_ms", "Service (ms)", endpoints, suffix, DEFAULT_SERVICE_MS, 60_000.0),
        _choices("vcpu", "vCPU", endpoints, suffix, _VCPUS, EQUAL.vcpu),
        _choices("memory_gib", "Memory (GiB)", endpoints, suffix, _MEMORIES_GIB, EQUAL.memory_gib),
        _numbers("concurrency", "Concurrency", endpoints, suffix, EQUAL.concurrency, 1000, least=1),
        _choices("region", "Region", endpoints, suffix, regions, _REPORTED),
        _numbers("min_instances", "Min instances", endpoints, suffix, 0, 1000),
        _choices("billing", "Billing", endpoints, suffix, BILLINGS, EQUAL.billing),
        _numbers("startup_ms", "Start-up (ms)", endpoints, suffix, 0.0, 240_000.0),
        _numbers("cold_percent", "Cold starts (%)", endpoints, suffix, 0.0, 100.0),
    )
    return [_Settings(*values) for values in zip(*columns, strict=True)]


def _offer(settings: _Settings, where: str | None, requests: int, traffic: Traffic) -> Offer | str:
    try:
        configuration = Configuration(
            settings.vcpu,
            settings.memory_gib,
            settings.concurrency,
            settings.min_instances,
            settings.billing,
            where,
        )
        resources.prices().tier(where)
        cold_fraction = settings.cold_percent / 100
        return Workload(requests, (settings.service_ms,), traffic, settings.startup_ms, cold_fraction), configuration
    except (CostError, PriceError) as error:
        return str(error)


def _regions(endpoints: Sequence[Endpoint], settings: Sequence[_Settings]) -> list[str | None]:
    """The region of each endpoint: the chosen one, else the reported one, else None."""
    chosen = [one.region for one in settings]
    reported = resources.catalog().served(endpoints, wait_s=_WAIT_FOR_REGION_S) if _REPORTED in chosen else []
    return [
        one if one != _REPORTED else region(facts(served)) if (served := reported[index]) else None
        for index, one in enumerate(chosen)
    ]


def _numbers(
    name: str, label: str, endpoints: Sequence[Endpoint], suffix: str, default: T, most: T, least: T | None = None
) -> list[T]:
    """One setting of these endpoints, as numbers of the type of the default."""
    values: list[T] = []
    with _row(f"{name}{suffix}", label):
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


def _choices(
    name: str, label: str, endpoints: Sequence[Endpoint], suffix: str, options: Sequence[V], default: V
) -> list[V]:
    """One setting of these endpoints, from a list."""
    with _row(f"{name}{suffix}", label):
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


def _apply_preset(keys: Sequence[str]) -> None:
    preset = PRESETS.get(st.session_state.cost_preset or "")
    for key, configuration in ((key, preset(key)) for key in keys) if preset else ():
        for name in ("vcpu", "memory_gib", "concurrency", "min_instances", "billing"):
            st.session_state[f"{key}_{name}"] = getattr(configuration, name)
    # A preset is a shortcut, not a state: clear it, because the next change of a setting would make it wrong.
    st.session_state.cost_preset = None


# --- Bills


def _cards(
    places: Sequence[DeltaGenerator], endpoints: Sequence[Endpoint], offers: Sequence[Offer | str]
) -> list[Cost | None]:
    """Draw a card for each endpoint, each in its place; return the bills, None if there is none."""
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
    for cell, endpoint, offer, cost, problem in zip(places, endpoints, offers, costs, problems, strict=True):
        with cell.container(border=True, key=f"card-{endpoint.key}", height="stretch"):
            billing = "" if isinstance(offer, str) else cost_text.BILLING_NAMES[offer[1].billing]
            with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
                st.markdown(f"**{markup.plain(endpoint.name)}**", width="content")
                if cost:
                    st.badge(billing, color="gray")
                else:
                    st.badge("No bill", icon=":material/close:", color="red")
            if cost is None or isinstance(offer, str):
                st.markdown(markup.plain(markup.sentence(problem)))
                continue
            _bill(endpoint, cost, offer[1], longest_usd)
    return costs


def _bill(endpoint: Endpoint, cost: Cost, configuration: Configuration, longest_usd: float) -> None:
    with st.container(horizontal=True, key=f"metrics-{endpoint.key}"):
        st.metric(
            "Net (USD / month)",
            cost_text.usd(cost.net_usd),
            help="After the free tier, which all services of a billing account share.",
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
    with st.container(border=True, key="verdict", height="stretch"):
        st.markdown(f":{color}-badge[{icon} {markup.plain(verdict.headline)}] {markup.plain(verdict.sentence)}")


def _break_even(endpoints: Sequence[Endpoint], offers: Sequence[Offer | str], requests: int) -> None:
    # The switch is in the header of the chart, so in the first run its value is only in the address.
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
    is_shown = charts_wanted()
    panel(
        "break-even",
        "Break-even",
        lambda: draw.break_even(options, found, requests, span, resources.palette()),
        f"{basis.capitalize()} cost in USD a month over requests a month, from {cost_text.count(span[0])} to "
        f"{cost_text.count(span[1])}, for {labels}. " + " ".join(sentences or ["No two of them cross."]),
        lambda: draw.table(options, span),
        choose_basis,
        is_shown=is_shown,
    )
    if not is_shown:  # the panel has the sentences
        return
    with st.container(key="crossings", gap="xsmall"):
        for sentence in sentences or ["No two lines cross: the order by cost is always the same."]:
            st.caption(markup.plain(sentence))
        st.caption(
            "A line flattens when its instances are always busy, and steps up when another instance is needed to keep "
            "each within 60 % of its vCPU and concurrency."
        )


def _options(endpoints: Sequence[Endpoint], offers: Sequence[Offer | str], basis: cost_text.Basis) -> list[Option]:
    """What the chart compares: each endpoint with its settings and, for up to two, with the other kind of billing."""
    chosen, other = [], []
    seen: set[Offer] = set()
    for position, (endpoint, offer) in enumerate(zip(endpoints, offers, strict=True)):
        if isinstance(offer, str):
            continue
        workload, configuration = offer
        name = cost_text.BILLING_NAMES[configuration.billing]
        chosen.append(Option(f"{endpoint.name}, {name}", endpoint.key, True, _as_function(offer, basis), position))
        billing: Billing = "instance" if configuration.billing == "request" else "request"
        try:
            contrary = (workload, replace(configuration, billing=billing))
        except CostError:
            continue
        # Two endpoints with equal settings need one line; with more endpoints the lines would hide each other.
        if offer not in seen and len(endpoints) <= _BOTH_BILLINGS:
            label = f"{endpoint.name}, {cost_text.BILLING_NAMES[billing]}"
            other.append(Option(label, endpoint.key, False, _as_function(contrary, basis), position))
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
            f"From [the published prices]({prices.source}); each [region]({prices.regions_source}) has the prices of "
            "its tier. Check them there before you rely on them. The free tier is a discount at the prices of tier 1 "
            "everywhere. A month is 30 days; every busy interval of an instance is rounded up to "
            f"{prices.rounding_ms:g} ms. Not counted: network, images, builds, maximum instances."
        )
    with right, st.container(border=True, key="note-claims", height="stretch"):
        st.markdown("**Common wrong claims**")
        for claim, truth in cost_text.claims(prices):
            st.markdown(f"*{markup.plain(f'“{claim}.”')}*  \n{markup.plain(truth)}")
