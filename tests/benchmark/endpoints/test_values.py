"""Values of an input as people read them."""

import pytest

from benchmark.endpoints.values import shown, shown_all
from inference.card import Value


@pytest.mark.parametrize(
    ("value", "text"), [(5.0, "5"), (0.123456789, "0.123457"), (1e15, "1e+15"), ("Oslo", "Oslo"), (None, "missing")]
)
def test_a_value_is_shown_short(value: Value, text: str) -> None:
    assert shown(value) == text


def test_an_input_is_shown_in_a_line() -> None:
    assert shown_all((99.2, "Oslo", None)) == "99.2, Oslo, missing"
