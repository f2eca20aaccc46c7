"""What an address says of a list, whatever is in it."""

import pytest

from benchmark.record.run import RunState
from benchmark.record.store import SortBy
from dashboard.views.runs.listing import MAX_SEARCH, PER_PAGE, Listing, listing


def test_an_address_without_parameters_is_the_whole_list_from_the_latest_start() -> None:
    found = listing("", [], [], {})
    assert found == Listing() and not found.is_filtered
    query = found.query
    assert (query.sort_by, query.descending, query.limit, query.offset) == (SortBy.STARTED, True, PER_PAGE, 0)


def test_an_address_is_a_query() -> None:
    found = listing(" cold start ", ["load", "compare"], ["lost", "finished"], {"sort": "-p95", "page": "3"})
    query = found.query
    assert (query.text, query.kinds) == ("cold start", ("compare", "load"))
    assert query.states == (RunState.FINISHED, RunState.LOST)
    assert (query.sort_by, query.descending, query.offset) == (SortBy.P95, True, 2 * PER_PAGE)
    assert query.titles["coldstart"] == "cold start" and found.is_filtered


@pytest.mark.parametrize("sort", ["", "-", "--name", "samples", "name; drop table run", "NAME", "x" * 9999])
def test_an_unknown_order_is_the_usual_one(sort: str) -> None:
    found = listing("", [], [], {"sort": sort})
    assert (found.sort_by, found.descending) == (SortBy.STARTED, True)


@pytest.mark.parametrize("page", ["", "0", "-1", "1.5", "1e3", "٣", "²", "9" * 400, "0x10"])
def test_an_impossible_part_is_the_first(page: str) -> None:
    assert listing("", [], [], {"page": page}).page == 1


def test_what_is_too_long_or_unknown_is_left_out() -> None:
    found = listing("x" * 9999, ["marathon", "load"], ["gone"], {})
    assert (len(found.search), found.kinds, found.states) == (MAX_SEARCH, ("load",), ())
