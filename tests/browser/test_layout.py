"""How the page fits a desktop and a phone, light and dark; writes pictures of it for people to look at."""

import pytest
from playwright.sync_api import FloatRect, Locator, expect

from dashboard.components.theme import DARK, LIGHT
from inference.card import ModelCard
from tests.browser.conftest import NewVisitor, Stack
from tests.browser.filled import EARLIER, earlier
from tests.browser.predict_page import CHARTS, ENDPOINTS
from tests.browser.settling import DESKTOP, PHONE, Size, cut_off, picture


def _box(locator: Locator) -> FloatRect:
    box = locator.bounding_box()
    assert box is not None, f"not visible: {locator}"
    return box


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "size"), [("light", DESKTOP), ("dark", PHONE)], ids=["desktop", "phone"])
def test_the_page_fits_the_window(
    new_visitor: NewVisitor, stack: Stack, card: ModelCard, scheme: str, size: Size
) -> None:
    width, height = size
    for comparison in earlier(card):
        stack.store.add(comparison)
    predict = new_visitor(
        color_scheme=scheme,
        viewport={"width": width, "height": height},
        has_touch=size == PHONE,
        is_mobile=size == PHONE,
        device_scale_factor=2 if size == PHONE else 1,
    ).predict("?history=Everyone's")
    picture(predict.page, f"predict-first-{scheme}", size, whole=False)

    predict.compare()
    predict.expect_charts()
    picture(predict.page, f"predict-compared-{scheme}", size, whole=size == PHONE)

    for endpoint in ENDPOINTS:
        box = _box(predict.card(endpoint))
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
        figures = predict.card(endpoint).get_by_test_id("stMetric")
        expect(figures).to_have_count(3)
        boxes = [_box(figures.nth(index)) for index in range(3)]
        assert len({box["y"] for box in boxes}) == 1, "the three figures are not in one row"
        assert boxes == sorted(boxes, key=lambda box: box["x"])
        assert cut_off(figures) == []
    traces = {trace["name"]: trace for trace in predict.chart_data("latency")}
    palette = {"light": LIGHT, "dark": DARK}[scheme]
    assert traces[f"FastAPI (n = {EARLIER + 1})"]["marker"]["color"] == palette.endpoints["api"]
    if size == DESKTOP:
        cards = [_box(predict.card(endpoint)) for endpoint in ENDPOINTS]
        assert (cards[0]["y"], cards[0]["height"]) == (cards[1]["y"], cards[1]["height"])
        assert abs(cards[0]["width"] - cards[1]["width"]) < 1
        for chart in CHARTS:
            box = _box(predict.panel(chart))
            assert box["y"] + box["height"] <= height, f"the {chart} chart ends below the window"
