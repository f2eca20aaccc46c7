"""The values of an input as people read them."""

from collections.abc import Iterable

from inference.card import CategoryFeature, Value

MISSING = "missing"


def shown(value: Value) -> str:
    """A number with at most six digits, a category as it is, or `missing`."""
    if value is None:
        return MISSING
    return value if isinstance(value, str) else f"{value:.6g}"


def shown_all(values: Iterable[Value]) -> str:
    """The values of one input in a line: `99.2, 4, Oslo, missing`."""
    return ", ".join(map(shown, values))


def distinct(name: str, feature: CategoryFeature) -> str:
    """`name`, in parentheses where a category is called so."""
    while name in feature.index_of:
        name = f"({name})"
    return name
