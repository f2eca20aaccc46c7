"""A visitor of the dashboard without a browser: it speaks Streamlit's own protocol over the page's websocket.

It sends what the front end sends when a widget changes, and waits until the script has run. A browser costs more CPU
than the server, so that many visitors at once, and the server's own cost, can only be measured without one.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import httpx
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

STEP_S = 60.0
"""The most time that one run of the script may take."""


class NoSuchWidget(LookupError):
    """The page has no widget with this label."""


@dataclass(frozen=True, slots=True)
class Widget:
    """A widget as the page has sent it."""

    id: str
    element: Any
    """Streamlit's message"""
    fragment_id: str
    """of the fragment that a change runs again; empty for the whole page"""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A new element of the page, and when it came in seconds of `monotonic`."""

    at_s: float
    kind: str
    """Streamlit's name of it, such as `metric`"""
    element: Any
    """Streamlit's message"""


@dataclass(slots=True)
class Visitor:
    """One session: the widgets of its page, and what it has received.

    What changes a widget returns the new elements that the page then shows, in their order, when the script has run.
    It raises TimeoutError, and websockets' ConnectionClosed.
    """

    connection: ClientConnection
    query: str = ""
    page_script_hash: str = ""
    widgets: dict[str, Widget] = field(default_factory=dict)
    """by label"""
    states: dict[str, WidgetState] = field(default_factory=dict)
    received_bytes: int = 0
    errors: list[str] = field(default_factory=list)
    """exceptions that the page has shown"""
    _cached: set[str] = field(default_factory=set)

    def open(self) -> list[Arrival]:
        """Run the page for the first time."""
        return self._run()

    def press(self, label: str) -> list[Arrival]:
        """Press a button."""
        widget = self._widget(label)
        return self._run(WidgetState(id=widget.id, trigger_value=True), widget.fragment_id)

    def switch(self, label: str, value: bool) -> list[Arrival]:
        """Switch a toggle."""
        widget = self._widget(label)
        return self._run(WidgetState(id=widget.id, bool_value=value), widget.fragment_id)

    def slide(self, label: str, value: float) -> list[Arrival]:
        """Move a slider."""
        widget = self._widget(label)
        state = WidgetState(id=widget.id)
        state.double_array_value.data.append(value)
        return self._run(state, widget.fragment_id)

    def slide_any(self, draw: random.Random) -> list[Arrival]:
        """Move a slider to another of its positions; `draw` says which and where. Raises NoSuchWidget."""
        sliders = sorted(label for label, one in self.widgets.items() if one.element.DESCRIPTOR.name == "Slider")
        if not sliders:
            raise NoSuchWidget(f"no slider is among {', '.join(self.widgets)}")
        label = draw.choice(sliders)
        widget = self.widgets[label]
        state = self.states.get(widget.id)
        before = state.double_array_value.data[0] if state else widget.element.default[0]
        steps = round((widget.element.max - widget.element.min) / widget.element.step)
        while (value := widget.element.min + draw.randint(0, steps) * widget.element.step) == before:
            pass
        return self.slide(label, value)

    def _widget(self, label: str) -> Widget:
        try:
            return self.widgets[label]
        except KeyError:
            raise NoSuchWidget(f"{label!r} is not among {', '.join(self.widgets)}") from None

    def _run(self, changed: WidgetState | None = None, fragment_id: str = "") -> list[Arrival]:
        message = BackMsg()
        rerun = message.rerun_script
        rerun.query_string = self.query
        rerun.page_script_hash = self.page_script_hash
        rerun.fragment_id = fragment_id
        rerun.context_info.timezone = "UTC"
        rerun.context_info.locale = "en-US"
        rerun.context_info.url = "http://localhost/"
        rerun.cached_message_hashes.extend(sorted(self._cached))
        if changed is not None and not changed.HasField("trigger_value"):
            self.states[changed.id] = changed
        sent = dict(self.states) if changed is None else {**self.states, changed.id: changed}
        rerun.widget_states.widgets.extend(sent.values())
        self.connection.send(message.SerializeToString())
        arrivals: list[Arrival] = []
        while True:
            data = self.connection.recv(STEP_S)
            self.received_bytes += len(data)
            received = ForwardMsg.FromString(data if isinstance(data, bytes) else data.encode())
            arrivals.extend(self._read(received))
            if received.WhichOneof("type") == "script_finished" and received.script_finished != _FOR_RERUN:
                return arrivals

    def _read(self, received: ForwardMsg) -> Iterator[Arrival]:
        if received.hash and received.metadata.cacheable:
            self._cached.add(received.hash)
        kind = received.WhichOneof("type")
        if kind == "new_session":
            self.page_script_hash = received.new_session.page_script_hash
        elif kind == "delta" and received.delta.WhichOneof("type") == "new_element":
            new: Any = received.delta.new_element
            element = getattr(new, new.WhichOneof("type"))
            yield Arrival(monotonic(), new.WhichOneof("type"), element)
            if element.DESCRIPTOR.name == "Exception":
                self.errors.append(f"{element.type}: {element.message}")
            elif getattr(element, "id", "") and hasattr(element, "label"):
                self.widgets[element.label] = Widget(element.id, element, received.delta.fragment_id)


_FOR_RERUN = ForwardMsg.FINISHED_EARLY_FOR_RERUN


@contextmanager
def visitor(url: str) -> Iterator[Visitor]:
    """A new browser's session that has opened the page at `url`, which may have a query; closed at the end."""
    parts = urlsplit(url)
    cookies = httpx.get(url, trust_env=False).cookies
    with connect(
        f"ws://{parts.netloc}/_stcore/stream",
        additional_headers={"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())},
        origin=Origin(f"http://{parts.netloc}"),
        subprotocols=[Subprotocol("streamlit")],
        max_size=None,
        proxy=None,
    ) as connection:
        one = Visitor(connection, parts.query)
        one.open()
        yield one
