"""Price lists: dated files of published prices, validated on reading to catch typing errors.

To add a region, edit a file in `price_lists/`; to add a price list, add a file there. The newest list is the default.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

LISTS_DIR = Path(__file__).with_name("price_lists")

Billing = Literal["request", "instance"]
BILLINGS: tuple[Billing, Billing] = ("request", "instance")
"""`request`: billed while a request is handled. `instance`: billed for an instance's whole life; requests are free."""

_DATE = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?")


class PriceError(ValueError):
    """The price list cannot be used; the message names the field."""


@dataclass(frozen=True, slots=True)
class Rate:
    """The price of one second of one vCPU and of one GiB of memory."""

    vcpu_second_usd: float
    gib_second_usd: float


@dataclass(frozen=True, slots=True)
class FreeTier:
    """The monthly free tier of a billing account, and its value in USD.

    The free tier is a discount at tier 1 prices in every region (https://cloud.google.com/run/pricing), so more
    expensive regions have fewer free seconds.
    """

    vcpu_s: float
    gib_s: float
    requests: float
    vcpu_usd: float
    memory_usd: float
    requests_usd: float


@dataclass(frozen=True, slots=True)
class Tariff:
    """The prices of one kind of billing.

    `idle` applies to minimum instances while they handle no request; None if they cost as much as any other.
    """

    active: Rate
    idle: Rate | None
    million_requests_usd: float
    free: FreeTier


@dataclass(frozen=True, slots=True)
class Tier:
    """Regions with the same prices. `checked_against` names the source that these prices were verified against."""

    number: int
    checked_against: str
    regions: tuple[str, ...]
    request: Tariff
    instance: Tariff

    def tariff(self, billing: Billing) -> Tariff:
        return self.request if billing == "request" else self.instance


@dataclass(frozen=True, slots=True)
class Prices:
    """A price list with its sources: the pages of its prices and regions, and their date.

    Every billed interval is rounded up to a multiple of `rounding_ms`.
    """

    source: str
    regions_source: str
    as_of: str
    currency: str
    rounding_ms: float
    tiers: tuple[Tier, ...]

    @property
    def regions(self) -> tuple[str, ...]:
        """All regions with prices, tier by tier."""
        return tuple(region for tier in self.tiers for region in tier.regions)

    def tier(self, region: str | None = None) -> Tier:
        """The tier of `region`, or tier 1 if the region is unknown. Raises PriceError for a region without prices."""
        if region is None:
            return self.tiers[0]
        for tier in self.tiers:
            if region in tier.regions:
                return tier
        raise PriceError(f"the price list of {self.as_of} has no prices for the region {region}")


def price_lists(directory: Path | None = None) -> dict[str, Path]:
    """The price list files in a folder (default: the project's), by name, oldest first.

    Raises PriceError for a file that cannot be read.
    """
    dated = ((load_prices(path).as_of, path.stem, path) for path in (directory or LISTS_DIR).glob("*.json"))
    return {name: path for _, name, path in sorted(dated)}


def load_prices(path: Path | None = None) -> Prices:
    """Read and check a price list, by default the newest one. Raises PriceError."""
    if path is None:
        lists = price_lists()
        if not lists:
            raise PriceError(f"{LISTS_DIR} has no price list")
        path = list(lists.values())[-1]
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise PriceError(f"{path.name}: {error}") from error
    return parse_prices(document)


def find_prices(name: str | None = None) -> Prices:
    """The list called `name` in `price_lists/`, or the file at that path; the newest list without a name.

    Raises PriceError, which names the available lists.
    """
    if name is None:
        return load_prices()
    lists = price_lists()
    path = lists.get(name) or Path(name)
    if name not in lists and not path.is_file():
        raise PriceError(f"unknown price list or file {name}; the price lists are {', '.join(lists)}")
    return load_prices(path)


def parse_prices(document: Any) -> Prices:
    """Check every field of a price list and refuse unknown ones. Raises PriceError, which names the field."""
    names = ("source", "regions_source", "as_of", "currency", "rounding_ms", "free_per_month", "tiers")
    fields = _object(document, "the price list", names)
    as_of = fields["as_of"]
    for name in ("source", "regions_source"):
        if not isinstance(fields[name], str) or not fields[name].startswith("https://"):
            raise PriceError(f"{name} must be the https address of the published prices")
    if not isinstance(as_of, str) or not _DATE.fullmatch(as_of):
        raise PriceError("as_of must be a date, YYYY-MM or YYYY-MM-DD")
    if fields["currency"] != "USD":
        raise PriceError("currency must be USD")
    rounding_ms = _amount(fields, "rounding_ms", "rounding_ms")
    if rounding_ms == 0:
        raise PriceError("rounding_ms must be above 0")
    free = _object(fields["free_per_month"], "free_per_month", BILLINGS)
    return Prices(fields["source"], fields["regions_source"], as_of, "USD", rounding_ms, _tiers(fields["tiers"], free))


def _tiers(value: Any, free: Mapping[str, Any]) -> tuple[Tier, ...]:
    """All tiers; the first is tier 1, whose prices value the free tier."""
    if not isinstance(value, list) or not value:
        raise PriceError("tiers must be a list")
    found: list[Tier] = []
    for number, entry in enumerate(value, 1):
        at = f"tier {number}"
        fields = _object(entry, at, ("tier", "checked_against", "regions", *BILLINGS))
        if fields["tier"] != number or isinstance(fields["tier"], bool):
            raise PriceError(f"tiers must be numbered from 1 in their order, not {fields['tier']!r}")
        checked, regions = fields["checked_against"], fields["regions"]
        if not isinstance(checked, str) or not checked:
            raise PriceError(f"{at}.checked_against must be a text")
        if not isinstance(regions, list) or not regions or not all(isinstance(name, str) and name for name in regions):
            raise PriceError(f"{at}.regions must be a list of names")
        if twice := {name for name in regions if name in {region for tier in found for region in tier.regions}}:
            raise PriceError(f"{at}.regions has {sorted(twice)[0]}, which is also in another tier")
        tariffs = (
            _tariff(fields[billing], f"{at}.{billing}", free[billing], billing, found[0] if found else None)
            for billing in BILLINGS
        )
        found.append(Tier(number, checked, tuple(regions), *tariffs))
    return tuple(found)


def _tariff(value: Any, at: str, free: Any, billing: Billing, first: Tier | None) -> Tariff:
    fields = _object(value, at, ("active", "idle", "million_requests_usd"))
    active = _rate(fields["active"], f"{at}.active")
    idle = None if fields["idle"] is None else _rate(fields["idle"], f"{at}.idle")
    if idle and (idle.vcpu_second_usd > active.vcpu_second_usd or idle.gib_second_usd > active.gib_second_usd):
        raise PriceError(f"{at}.idle must not be above {at}.active")
    million_usd = _amount(fields, "million_requests_usd", f"{at}.million_requests_usd")
    if first:
        return Tariff(active, idle, million_usd, first.tariff(billing).free)
    names = ("vcpu_s", "gib_s", "requests")
    given = _object(free, f"free_per_month.{billing}", names)
    vcpu_s, gib_s, requests = (_amount(given, name, f"free_per_month.{billing}.{name}") for name in names)
    worth = (vcpu_s * active.vcpu_second_usd, gib_s * active.gib_second_usd, requests * million_usd / 1e6)
    return Tariff(active, idle, million_usd, FreeTier(vcpu_s, gib_s, requests, *worth))


def _rate(value: Any, at: str) -> Rate:
    names = ("vcpu_second_usd", "gib_second_usd")
    fields = _object(value, at, names)
    rate = Rate(*(_amount(fields, name, f"{at}.{name}") for name in names))
    # A common mistake is a price per hour or per million instead of per second.
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
        raise PriceError(f"{at} has {unknown[0]}, which is unknown")
    return value


def _amount(fields: Mapping[str, Any], name: str, at: str) -> float:
    value = fields[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise PriceError(f"{at} must be a number, 0 or above")
    return float(value)
