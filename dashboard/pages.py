"""The list of pages: the address, title and package of each.

To add a page, write `views/NAME/page.py` with a function `page` and add a line to `PAGES`. A page's modules are
imported when it is first opened, so that pages do not slow each other down and any page can link to any other.
"""

from dataclasses import dataclass
from importlib import import_module

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from benchmark.runs import UnknownKind, kind_named
from dashboard.memory import freeze_imports


@dataclass(frozen=True, slots=True)
class Page:
    """A page. `module` has a function `page` that draws it."""

    url_path: str
    title: str
    icon: str
    module: str

    def draw(self) -> None:
        module = import_module(self.module)
        freeze_imports()  # also those of the last run, which were made when the first chart or table was drawn
        module.page()

    def link(self, *, default: bool = False) -> StreamlitPage:
        """The page as Streamlit's navigation and links take it. The default page has the address without a path."""
        path = (
            "home" if default else self.url_path
        )  # Streamlit reserves the default page's own path and shows nothing there
        return st.Page(self.draw, title=self.title, icon=self.icon, url_path=path, default=default)


PAGES = [
    Page("predict", "Predict", ":material/compare_arrows:", "dashboard.views.predict.page"),
    Page("agree", "Agreement", ":material/rule:", "dashboard.views.agreement.page"),
    Page("benchmark", "Benchmark", ":material/speed:", "dashboard.views.benchmark.page"),
    Page("coldstart", "Cold start", ":material/ac_unit:", "dashboard.views.coldstart.page"),
    Page("cost", "Cost", ":material/payments:", "dashboard.views.cost.page"),
    Page("decide", "Recommendation", ":material/balance:", "dashboard.views.recommendation.page"),
    Page("monitor", "Monitor", ":material/monitor_heart:", "dashboard.views.monitor.page"),
    Page("runs", "Runs", ":material/history:", "dashboard.views.runs.page"),
]
"""In the order of the navigation. The first page has the address without a path."""


def page_at(url_path: str) -> Page:
    """The page at this path. Raises KeyError."""
    return {page.url_path: page for page in PAGES}[url_path]


def page_of_run(kind: str) -> Page:
    """The page that shows runs of this kind; Benchmark if a later version added the kind."""
    try:
        return page_at(kind_named(kind).page)
    except UnknownKind:
        return page_at("benchmark")
