"""What no control can hold is left out of an address, and everything else stays."""

import pytest

from dashboard.components.addresses import is_usable


@pytest.mark.parametrize("value", ["9" * 400, "1e999", "-inf", "NaN", "x" * 3201, "a\x00b", "\u202eabc", "\ud800"])
def test_what_cannot_be_counted_with_or_shown_is_left_out(value: str) -> None:
    assert not is_usable("requests", value)


@pytest.mark.parametrize("value", ["", "5.1", "-3", "Steady", "<b>", "Ω"])
def test_all_else_stays(value: str) -> None:
    assert is_usable("requests", value)


def test_an_id_is_no_number() -> None:
    assert is_usable("run", "12e99999")
    assert is_usable("compare", "12e99999,0123abcd")
