"""The price list: a dated file of published prices, checked when it is read: no cost rests on a typing error."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

PRICES_FILE = Path(__file__).with_name("prices.json")

Billing = Literal["request", "instance"]
BILLINGS: tuple[Billing, Billing] = ("request", "instance")
"""`request`: paid while a request is handled. `instance`: paid for an instance's whole life, requests are free."""

_DATE = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?")


class PriceError(ValueError):
    """The price list cannot be used; the message names the field."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What one second of one vCPU and of one GiB of memory costs."""

    vcpu_second_usd: float
    gib_second_usd: float


@dataclass(frozen=True, slots=True)
class FreeTier:
    """What is free each month, once for a whole billing account."""

    vcpu_s: float
    gib_s: float
    requests: float


@dataclass(frozen=True, slots=True)
class Tariff:
    """The prices of one kind of billing.

    `idle` is for minimum instances while they handle no request; None where these cost as much as any other.
    """

    active: Rate
    idle: Rate | None
    million_requests_usd: float
    free: FreeTier


@dataclass(frozen=True, slots=True)
class Prices:
    """A price list with its origin: the page it was read from, when, and some of the regions that it is for.

    Every billed interval is rounded up to a multiple of `rounding_ms`.
    """

    source: str
    as_of: str
    tier: int
    regions: tuple[str, ...]
    currency: str
    rounding_ms: float
    request: Tariff
    instance: Tariff

    def tariff(self, billing: Billing) -> Tariff:
        return self.request if billing == "request" else self.instance


def load_prices(path: Path = PRICES_FILE) -> Prices:
    """Read and check the price list. Raises PriceError."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise PriceError(f"{path.name}: {error}") from error
    return parse_prices(document)


def parse_prices(document: Any) -> Prices:
    """Check every field of a price list; one that is not known is refused too. Raises PriceError naming the field."""
    names = ("source", "as_of", "tier", "regions", "currency", "rounding_ms", "request", "instance")
    fields = _object(document, "the price list", names)
    source, as_of, regions = fields["source"], fields["as_of"], fields["regions"]
    if not isinstance(source, str) or not source.startswith("https://"):
        raise PriceError("source must be the https address of the published prices")
    if not isinstance(as_of, str) or not _DATE.fullmatch(as_of):
        raise PriceError("as_of must be a date, YYYY-MM or YYYY-MM-DD")
    # The free tier is a discount at the prices of tier 1 everywhere, which a list of another tier does not hold.
    if fields["tier"] != 1 or isinstance(fields["tier"], bool):
        raise PriceError("tier must be 1")
    if not isinstance(regions, list) or not regions or not all(isinstance(name, str) and name for name in regions):
        raise PriceError("regions must be a list of names")
    if fields["currency"] != "USD":
        raise PriceError("currency must be USD")
    rounding_ms = _amount(fields, "rounding_ms", "rounding_ms")
    if rounding_ms == 0:
        raise PriceError("rounding_ms must be above 0")
    return Prices(
        source=source,
        as_of=as_of,
        tier=fields["tier"],
        regions=tuple(regions),
        currency="USD",
        rounding_ms=rounding_ms,
        request=_tariff(fields["request"], "request"),
        instance=_tariff(fields["instance"], "instance"),
    )


def _tariff(value: Any, at: str) -> Tariff:
    fields = _object(value, at, ("active", "idle", "million_requests_usd", "free_per_month"))
    active = _rate(fields["active"], f"{at}.active")
    idle = None if fields["idle"] is None else _rate(fields["idle"], f"{at}.idle")
    if idle and (idle.vcpu_second_usd > active.vcpu_second_usd or idle.gib_second_usd > active.gib_second_usd):
        raise PriceError(f"{at}.idle must not be above {at}.active")
    free = _object(fields["free_per_month"], f"{at}.free_per_month", ("vcpu_s", "gib_s", "requests"))
    return Tariff(
        active=active,
        idle=idle,
        million_requests_usd=_amount(fields, "million_requests_usd", f"{at}.million_requests_usd"),
        free=FreeTier(
            *(_amount(free, name, f"{at}.free_per_month.{name}") for name in ("vcpu_s", "gib_s", "requests"))
        ),
    )


def _rate(value: Any, at: str) -> Rate:
    names = ("vcpu_second_usd", "gib_second_usd")
    fields = _object(value, at, names)
    rate = Rate(*(_amount(fields, name, f"{at}.{name}") for name in names))
    # The usual slip is a price of an hour or of a million in the place of one of a second.
    for name in names:
        if not 0 < getattr(rate, name) < 0.001:
            raise PriceError(f"{at}.{name} must be the price of one second, above 0 and below 0.001")
    return rate


def _object(value: Any, at: str, names: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise PriceError(f"{at} must be an object")
    for name in names:
        if name not in value:
            raise PriceError(f"{at} lacks {name}")
    if unknown := sorted(set(value) - set(names)):
        raise PriceError(f"{at} has {unknown[0]}, which is not known")
    return value


def _amount(fields: Mapping[str, Any], name: str, at: str) -> float:
    value = fields[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise PriceError(f"{at} must be a number, 0 or above")
    return float(value)
