"""The pages: one line adds one, and no modules depend on each other in a circle."""

from collections.abc import Callable
from graphlib import TopologicalSorter

import grimp
import pytest

from dashboard.pages import PAGES, page_at, page_of_run
from dashboard.pages import Page as OnePage
from tests.dashboard.page import Page

TOY = OnePage("toy", "Toy", ":material/toys:", "tests.dashboard.toy_page")


def test_one_line_adds_a_page(visit: Callable[..., Page], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.pages.PAGES", [*PAGES, TOY])
    assert page_at("toy") == TOY
    page = visit("http://127.0.0.1:9", "http://127.0.0.1:10").at("toy").open()
    assert "A toy page" in page.read()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.url_path)
def test_every_page_is_a_package_that_draws_it(page: OnePage) -> None:
    folder = page.module.split(".")[2]
    assert page.module == f"dashboard.views.{folder}.page"


def test_runs_are_shown_by_the_page_that_their_kind_names() -> None:
    assert page_of_run("coldstart") == page_at("coldstart")
    assert page_of_run("load") == page_of_run("of a later version") == page_at("benchmark")


@pytest.mark.parametrize("package", ["dashboard", "benchmark", "inference", "training"])
def test_no_modules_import_each_other_in_a_circle(package: str) -> None:
    """Imports inside functions count."""
    graph = grimp.build_graph(package, cache_dir=None)
    TopologicalSorter({one: graph.find_modules_directly_imported_by(one) for one in graph.modules}).prepare()
