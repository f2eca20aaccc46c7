"""How the page fits a desktop and a phone, light and dark; writes pictures of it for people to look at."""

import math
import random
from collections.abc import Iterator

import pytest
from playwright.sync_api import FloatRect, Locator, expect

from benchmark.endpoints.sample import Answer, Comparison, Failure, Sample
from dashboard.theme import DARK, LIGHT
from inference.card import ModelCard
from tests.browser.conftest import NewVisitor, Stack
from tests.browser.predict_page import CHARTS, ENDPOINTS
from tests.browser.settling import DESKTOP, PHONE, Size, picture

EARLIER = 40


def _earlier(card: ModelCard) -> Iterator[Comparison]:
    """A record with something to draw: latencies of two shapes, and one failure."""
    draw = random.Random(0)  # noqa: S311  numbers to look at, no secret
    for number in range(EARLIER):
        samples = []
        for endpoint, typical_ms in zip(ENDPOINTS, (3.0, 6.0), strict=True):
            latency_ms = draw.lognormvariate(math.log(typical_ms), 0.4)
            failed = endpoint == "function" and number == 12
            answer = None if failed else Answer(1.0, card.classes[1], 0.89, (0.05, 0.89, 0.06), card.version)
            failure = Failure.TIMEOUT if failed else None
            samples.append(
                Sample(endpoint, "2026-01-01T00:00:00.000+00:00", latency_ms, failure=failure, answer=answer)
            )
        inputs = tuple(feature.default for feature in card.features)
        yield Comparison(f"earlier-{number}", "2026-01-01T00:00:00.000+00:00", card.name, inputs, tuple(samples))


def _box(locator: Locator) -> FloatRect:
    box = locator.bounding_box()
    assert box is not None, f"not visible: {locator}"
    return box


def _cut_off(texts: Locator) -> list[str]:
    """The texts that their boxes do not show whole."""
    cut: list[str] = texts.evaluate_all(
        """elements => elements.flatMap(element => [element, ...element.querySelectorAll('*')])
            .filter(element => element.innerText && element.scrollWidth > element.clientWidth
                               && getComputedStyle(element).overflowX !== 'visible')
            .map(element => element.innerText)"""
    )
    return cut


@pytest.mark.parametrize(("scheme", "size"), [("light", DESKTOP), ("dark", PHONE)], ids=["desktop", "phone"])
def test_the_page_fits_the_window(
    new_visitor: NewVisitor, stack: Stack, card: ModelCard, scheme: str, size: Size
) -> None:
    width, height = size
    for comparison in _earlier(card):
        stack.store.add(comparison)
    predict = new_visitor(
        color_scheme=scheme,
        viewport={"width": width, "height": height},
        has_touch=size == PHONE,
        is_mobile=size == PHONE,
        device_scale_factor=2 if size == PHONE else 1,
    ).predict()
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
        assert _cut_off(figures) == []
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
