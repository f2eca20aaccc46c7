"""What a chart costs on its way to the browser."""

import plotly.graph_objects as go
import pytest

from dashboard.components.figure import figure, scatter
from dashboard.components.theme import LIGHT
from tests.dashboard.figures import validated
from tests.dashboard.page import Page

SCRIPT = """
from dashboard.components import panels
from dashboard.components.figure import figure, scatter
from dashboard.components.theme import LIGHT

def drawn():
    print("drawn")
    return figure([scatter(x=[1.0, 2.0], y=[3.0, 4.0])], LIGHT)

panels.panel("line", "Line", drawn, "A <line> upwards", list, is_shown=panels.charts_wanted())
"""


@pytest.fixture
def page(cookies: dict[str, str], visit: object) -> Page:
    page = Page()
    page.app = page.app.from_string(SCRIPT)
    return page


def test_plotly_validates_no_figure_that_is_sent(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = figure([scatter(x=[1.0, 2.0], y=[3.0, 4.0])], LIGHT)
    validated(expected)
    monkeypatch.setattr(go.Figure, "__init__", lambda *_: pytest.fail("a figure was validated"))
    page.open().press("Show the charts")
    assert page.figure("line") == expected


def test_a_chart_that_is_not_shown_is_not_drawn_and_has_its_words(
    page: Page, capsys: pytest.CaptureFixture[str]
) -> None:
    page.open()
    assert "A <line> upwards" in page.read("chart-line")
    assert "drawn" not in capsys.readouterr().out
    page.press("Show the charts")
    assert "drawn" in capsys.readouterr().out
    assert "Show the charts" not in page.read()


def test_own_settings_of_a_figure_go_before_the_look_of_all() -> None:
    shown = figure([], LIGHT, endpoints=4, margin={"l": 1}, xaxis={"title": {"text": "ms"}}, legend={"x": 1})
    assert shown["layout"]["margin"] == {"l": 1, "r": 6, "t": 26, "b": 40}
    assert shown["layout"]["xaxis"]["title"] == {
        "text": "ms",
        "font": {"size": 12, "color": LIGHT.muted},
        "standoff": 6,
    }
    assert shown["layout"]["height"] == figure([], LIGHT)["layout"]["height"] + 36
    assert shown["layout"]["legend"]["x"] == 1
