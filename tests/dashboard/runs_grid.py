"""The table of the Runs page as a browser shows it, and a click in it as a browser reports it."""

import json
from typing import Any
from xml.etree.ElementTree import Element, fromstring

from tests.dashboard.page import Page


def parse(html: str) -> Element:
    """The elements of what `to_html` wrote; an error if it is not well-formed."""
    return fromstring(html)  # noqa: S314  our own text


class Grid:
    """The table of a page that has been opened."""

    def __init__(self, page: Page) -> None:
        self._page = page
        (self._element,) = page.app.get("bidi_component")
        self.root = parse(json.loads(self._element.proto.json)["html"])

    @property
    def ids(self) -> list[str]:
        return [box.attrib["value"] for box in self.root.iter("input")]

    @property
    def titles(self) -> list[str]:
        return [link.text or "" for link in self.root.iter("a")]

    def row(self, run_id: str) -> Element:
        (row,) = (row for row in self.root.iter("tr") if row.get("id") == f"run-{run_id}")
        return row

    def cell(self, run_id: str, name: str) -> str:
        """The texts of the cells of this class in a row."""
        cells = [cell for cell in self.row(run_id) if cell.attrib["class"] == name]
        return " | ".join(" ".join(text for text in cell.itertext()) for cell in cells)

    def box(self, run_id: str) -> Element:
        (box,) = self.row(run_id).iter("input")
        return box

    @property
    def picked(self) -> list[str]:
        return [box.attrib["value"] for box in self.root.iter("input") if "checked" in box.attrib]

    @property
    def footer(self) -> str:
        (nav,) = self.root.iter("nav")
        return nav[0].text or ""

    def ask(self, what: str, value: Any) -> "Grid":
        """Report a click, and give the table as it is then."""
        return self.send({"what": what, "value": value})

    def send(self, value: Any) -> "Grid":
        app = self._page.app
        states = app._tree.get_widget_states()
        states.widgets.add(
            id=f"$$STREAMLIT_INTERNAL_KEY_{self._element.proto.id}__events",
            json_trigger_value=json.dumps([{"event": "asked", "value": value}]),
        )
        app._run(states)
        assert not app.exception, [error.value for error in app.exception]
        return Grid(self._page)

    def click(self, identity: str) -> "Grid":
        """Click on the button or link with this id."""
        (hit,) = (one for one in self.root.iter() if one.get("id") == identity)
        assert "disabled" not in hit.attrib
        return self.ask(hit.attrib["data-ask"], hit.attrib["data-value"])

    def pick(self, *run_ids: str) -> "Grid":
        """Tick exactly these boxes of the table."""
        assert not any("disabled" in self.box(run_id).attrib for run_id in run_ids)
        return self.ask("pick", ",".join(run_ids))
