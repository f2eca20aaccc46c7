"""The Predict page in a session without a browser: what a person reads on it, and what a person does with it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Block, ButtonGroup, Metric, Progress, Slider
from streamlit.util import calc_hash

import dashboard

APP = Path(dashboard.__file__).with_name("app.py")
_FAR_S = 60.0


@dataclass(frozen=True, slots=True)
class Text:
    """One text on the page: the Markdown that the browser gets."""

    kind: str
    markdown: str

    @property
    def readable(self) -> str:
        """As it is read: without the escapes that keep other people's text from being markup."""
        return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", self.markdown).replace("\N{WORD JOINER}", "")


class Page:
    """One browser session. Nothing is run before `open`."""

    def __init__(self) -> None:
        self.app = AppTest.from_file(APP, default_timeout=_FAR_S)

    def at(self, path: str) -> "Page":
        """The page of this URL path; AppTest itself finds only pages that are files."""
        self.app._page_hash = calc_hash(path)
        return self

    # --- What a person does

    def open(self, **query: str) -> "Page":
        """Load the page, by a URL with this query; the same session when it is called again."""
        for name, value in query.items():
            self.app.query_params[name] = value
        return self.rerun()

    def rerun(self) -> "Page":
        """Run the page again and make sure that nothing on it went wrong."""
        self.app.run()
        assert not self.app.exception, [error.value for error in self.app.exception]
        return self

    def compare(self) -> "Page":
        return self.press("Compare")

    def move(self, feature: str, value: float) -> "Page":
        self.app.slider(key=feature).set_value(value)
        return self.rerun()

    def choose(self, preset: str) -> "Page":
        pills: ButtonGroup[str] = self.app.pills[0]
        pills.set_value(preset)
        return self.rerun()

    def live(self, on: bool) -> "Page":
        (toggle,) = (toggle for toggle in self.app.toggle if toggle.label == "Live")
        toggle.set_value(on)
        return self.rerun()

    def whose(self, comparisons: str) -> "Page":
        """Choose whose comparisons the history shows."""
        self.app.segmented_control(key="history").set_value(comparisons)
        return self.rerun()

    def press(self, label: str) -> "Page":
        (button,) = (button for button in self.app.button if button.label == label)
        button.click()
        return self.rerun()

    def open_popover(self, key: str) -> "Page":
        self.app.session_state[key] = True
        return self.rerun()

    # --- What a person reads

    def texts(self, key: str | None = None) -> list[Text]:
        """All texts of the page, or of the keyed part of it, in their order; controls with their labels."""
        root: Any = self.app.main if key is None else self.app.get_by_key(key)
        return list(_texts(root))

    def read(self, key: str | None = None) -> str:
        """All texts as they are read, one a line."""
        return "\n".join(text.readable for text in self.texts(key))

    def has(self, key: str) -> bool:
        """Whether the page has a part with this key."""
        try:
            self.app.get_by_key(key)
        except KeyError:
            return False
        return True

    def sliders(self) -> dict[str, float]:
        """Where the sliders stand, by feature name."""
        return {str(slider.key): float(self.app.session_state[str(slider.key)]) for slider in self.app.slider}

    def metrics(self, endpoint: str) -> dict[str, str]:
        """The figures of an endpoint's card by their label, as they are read."""
        block: Any = self.app.get_by_key(f"card-{endpoint}")
        return {Text("label", item.label).readable: Text("value", item.value).readable for item in block.metric}

    def bars(self, endpoint: str) -> list[str]:
        """The bars of an endpoint's card: share and class."""
        block: Any = self.app.get_by_key(f"card-{endpoint}")
        return [Text("bar", bar.text).readable for bar in block.progress]

    def links(self) -> list[Any]:
        """The links to pages and runs, without those of the bar of pages."""
        bar: Any = self.app.get_by_key("pages")
        return list(self.app.get("page_link"))[len(bar.get("page_link")) :]

    def warnings(self) -> list[str]:
        return [Text("warning", item.value).readable for item in self.app.warning]

    def figure(self, name: str) -> dict[str, Any]:
        """A chart as Plotly gets it."""
        found: Any = self.app.get_by_key(f"figure-{name}")
        document: dict[str, Any] = json.loads(found.proto.spec)
        return document


def _texts(root: Any) -> Iterator[Text]:
    for node in root:
        if isinstance(node, Block):
            label = getattr(node.proto, "popover", None)
            if node.type == "popover" and label is not None:
                yield Text("popover", label.label)
        elif isinstance(node, Metric):
            yield Text("metric", node.label)
            yield Text("metric", node.value)
        elif isinstance(node, Progress):
            yield Text("progress", node.text)
        elif isinstance(node, Slider):
            yield Text("slider", node.label)
        elif isinstance(node, ButtonGroup):
            yield from (Text("pill", option) for option in node.options)
        elif node.type in ("button", "toggle", "download_button"):
            yield Text(node.type, node.label)
        elif node.type in ("markdown", "caption", "warning", "info", "error", "success", "toast"):
            yield Text(node.type, node.value)
