"""Moving the sliders: by keyboard, by address, and what each of them sends."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import Stack, Visitor
from tests.browser.predict_page import PredictPage


def test_a_comparison_needs_no_mouse_and_the_address_follows_the_sliders(predict: PredictPage, stack: Stack) -> None:
    slider = predict.slider("Petal length (cm)")
    api, function = stack.requests_served()

    predict.press_on_slider("Petal length (cm)", "Home")
    lowest = float(slider.get_attribute("aria-valuetext") or "nan")
    predict.press_on_slider("Petal length (cm)", "ArrowRight", "ArrowRight")
    predict.expect_slider("Petal length (cm)", lowest + 0.2)
    predict.press_on_slider("Petal length (cm)", "End", "ArrowLeft")
    highest = float(slider.get_attribute("aria-valuetext") or "nan")
    predict.press_on_slider("Sepal width (cm)", "ArrowLeft")
    assert 0 < lowest < 1.0  # below the shortest petal of the training data, within what the model takes
    assert 6.9 < highest < 30
    expect(predict.page).to_have_url(re.compile(rf"petal_length={highest:g}(&|$)"))
    expect(predict.page).to_have_url(re.compile(r"sepal_width=2\.9(&|$)"))
    assert stack.requests_served() == (api, function)

    slider.press("ControlOrMeta+Enter")
    predict.wait_for_comparison(1)
    expect(predict.verdict).to_contain_text("Both agree")
    assert stack.requests_served() == (api + 1, function + 1)


def test_a_shared_address_restores_its_values(visitor: Visitor) -> None:
    predict = visitor.predict("?petal_length=5.1&petal_width=1.9")

    predict.expect_slider("Petal length (cm)", 5.1)
    predict.expect_slider("Petal width (cm)", 1.9)
    predict.expect_slider("Sepal length (cm)", 5.8)

    predict.compare()
    (point,) = [trace for trace in predict.chart_data("map") if trace["name"] == "your input"]
    assert (point["x"], point["y"]) == ([5.1], [1.9])


def test_a_slider_compares_only_while_live_is_on(predict: PredictPage, stack: Stack) -> None:
    predict.compare()
    api, function = stack.requests_served()

    predict.switch_live(on=True)
    assert stack.requests_served() == (api, function)
    predict.press_on_slider("Petal width (cm)", "End")
    predict.wait_for_comparison(2)
    expect(predict.figure_value("api", "Species")).to_have_text("virginica")
    assert stack.requests_served() == (api + 1, function + 1)

    predict.switch_live(on=False)
    predict.press_on_slider("Petal width (cm)", "Home")
    # Had the slider been sent too, that would have been before this.
    predict.compare()
    assert predict.count() == 3
    assert stack.requests_served() == (api + 2, function + 2)


def test_the_first_page_can_also_be_opened_by_its_name(visitor: Visitor) -> None:
    page = visitor.open("predict")
    expect(page.get_by_role("slider", name="Petal length (cm)")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("link", name="Predict")).to_have_count(1)
