"""What a list of runs shows, as its address says it: search, filters, order and part. So a list is a link.

Anyone can write an address: what makes no sense in one counts as if it were not there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmark.record.query import RunQuery, SortBy
from benchmark.record.run import RunState
from benchmark.runs import KINDS, titles

PER_PAGE = 25
MAX_SEARCH = 200
_MAX_PAGE_DIGITS = 9
_DEFAULT = SortBy.STARTED


@dataclass(frozen=True, slots=True)
class Listing:
    """A part of the list, in an order."""

    search: str = ""
    kinds: tuple[str, ...] = ()
    """all if empty"""
    states: tuple[RunState, ...] = ()
    """all if empty"""
    sort_by: SortBy = _DEFAULT
    descending: bool = True
    page: int = 1
    """from 1"""

    @property
    def query(self) -> RunQuery:
        """The same for the record."""
        # The titles of kinds, such as "cold start", are those of their modules, so they are imported only for a search.
        return RunQuery(
            self.search,
            self.kinds,
            self.states,
            sort_by=self.sort_by,
            descending=self.descending,
            limit=PER_PAGE,
            offset=(self.page - 1) * PER_PAGE,
            titles=titles() if self.search else {},
        )

    @property
    def is_filtered(self) -> bool:
        return bool(self.search or self.kinds or self.states)


def listing(search: str, kinds: Sequence[str], states: Sequence[str], parameters: Mapping[str, str]) -> Listing:
    """The list that the controls and the other parameters of an address describe."""
    sort_by, descending = order_in(parameters.get("sort", ""))
    return Listing(
        search.strip()[:MAX_SEARCH],
        tuple(kind for kind in KINDS if kind in kinds),
        tuple(state for state in RunState if state in states),
        sort_by,
        descending,
        page_in(parameters.get("page", "")),
    )


def order_in(text: str) -> tuple[SortBy, bool]:
    """The order of `text`, `name` or `-name`, and whether it is descending; the latest start first if it is none."""
    name = text.removeprefix("-")
    return (SortBy(name), name != text) if name in list(SortBy) else (_DEFAULT, True)


def page_in(text: str) -> int:
    """The number of a part of the list, from 1; the first if `text` is no number."""
    return max(1, int(text)) if text.isascii() and text.isdecimal() and len(text) <= _MAX_PAGE_DIGITS else 1
