"""The size and region of an endpoint, read from its own report."""

import re
from dataclasses import replace

from benchmark.cost.bill import EQUAL, Configuration, CostError, default_concurrency, default_memory_gib
from benchmark.endpoints.fairness import Facts
from benchmark.endpoints.fairness import region as region_of


def configuration_of(facts: Facts) -> tuple[Configuration, tuple[str, ...]]:
    """The size that an endpoint reports, and the names of the settings that are assumed instead."""
    said = {
        "vCPU": _quantity(facts.get("vCPU"), {"": 1.0, "m": 0.001}),
        "memory": _quantity(facts.get("memory"), {"Mi": 1 / 1024, "Gi": 1.0, "M": 1e6 / 2**30, "G": 1e9 / 2**30}),
        "concurrency": _quantity(facts.get("concurrency"), {"": 1.0}),
    }
    known = {name: value for name, value in said.items() if value is not None}
    vcpu = known.get("vCPU", EQUAL.vcpu)
    region = region_of(facts)
    assumed = () if region else ("region",)
    try:
        found = Configuration(
            vcpu,
            known.get("memory", default_memory_gib(vcpu)),
            int(known.get("concurrency", default_concurrency(vcpu))),
            region=region,
        )
    except CostError:  # the platform does not offer this size, for example that of a local container
        return replace(EQUAL, region=region), (*said, *assumed)
    return found, (*(name for name in said if name not in known), *assumed)


def _quantity(text: str | None, units: dict[str, float]) -> float | None:
    """`512Mi`, `0.5 GiB`, `1` or `167m` converted with `units`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*?)B?", text or "")
    factor = units.get(found[2]) if found else None
    return float(found[1]) * factor if found and factor else None
