"""The Predict page of a model with categories and missing values, from a table to an answer."""

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from deploy.stage_function import stage
from inference.card import ModelCard
from inference.model import load_model
from inference.settings import ServingSettings
from tests.browser.conftest import Stack, Visitor
from tests.browser.predict_page import PredictPage
from tests.browser.settling import DESKTOP, PHONE, Size, picture, rerun, settle
from tests.servers import ROOT, api_program, function_program
from tests.training.tables import houses
from tools.processes import Program, Server, bare_environ
from training import selection
from training.__main__ import train
from training.table import read_table


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table of houses, trained in a hurry."""
    directory = tmp_path_factory.mktemp("houses")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(selection, "REPEATS", 1)
        patched.setattr(selection, "SPLITS", 2)
        train(read_table(houses(directory / "houses.csv"), "price"), directory / "made")
    return directory / "made"


@pytest.fixture(scope="module")
def card(artifact: Path) -> ModelCard:
    return load_model(artifact).card


@pytest.fixture(scope="module")
def stack(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Both endpoints with that model, and the dashboard."""
    scratch = tmp_path_factory.mktemp("mixed")
    stage(scratch / "function", ServingSettings.from_env({}, default_model_dir=artifact))
    programs = (api_program(MODEL_DIR=str(artifact)), function_program(scratch / "function"))
    api, function = (Server(program, scratch / program.log_name) for program in programs)
    variables = {
        "API_URL": api.url,
        "FUNCTION_URL": function.url,
        "RESULTS_DIR": str(scratch / "results"),
        "MODEL_DIR": str(artifact),
    }
    command = (sys.executable, "-m", "dashboard")
    program = Program("dashboard", command, ROOT, {**bare_environ(), **variables}, health_path="/_stcore/health")
    found = Stack(api, function, Server(program, scratch / program.log_name), scratch / "results")
    with ExitStack() as running:
        for server in found.servers:
            running.callback(server.stop)
            server.start()
        for server in found.servers:
            server.wait_until_healthy()
        yield found


def choice(predict: PredictPage, feature: str, name: str) -> Locator:
    return predict.page.locator(f".st-key-{feature}").get_by_role("radio", name=name, exact=True)


def missing(predict: PredictPage) -> Locator:
    return predict.page.get_by_role("checkbox", name="Area m2 missing", exact=True)


@pytest.mark.slow
def test_categories_and_missing_values_from_the_controls_to_the_export(visitor: Visitor, stack: Stack) -> None:
    predict = visitor.predict()
    page = predict.page
    served = stack.requests_served()

    choice(predict, "city", "Bergen").click()
    expect(page).to_have_url(re.compile(r"city=Bergen"))
    choice(predict, "sea_view", "true").click()
    with rerun(page):
        missing(predict).click(force=True)
    expect(page).to_have_url(re.compile(r"Area\+m2-missing=true"))
    expect(predict.slider("Area m2")).to_be_disabled()
    assert stack.requests_served() == served, "controls alone send nothing"

    predict.compare()
    expect(predict.verdict).to_contain_text("Both agree")
    expect(predict.verdict).to_contain_text("For missing, 4, Bergen, true, 2.")
    comparison = stack.store.latest("houses")[-1]
    assert comparison.inputs == (None, 4.0, "Bergen", "true", 2.0)
    with page.expect_download() as download:
        page.get_by_role("button", name="Export CSV").click()
    assert ",4.0,Bergen,true,2.0," in download.value.path().read_text()

    with rerun(page):
        page.get_by_role("radio", name="Low", exact=True).click()
    expect(choice(predict, "city", "Ås")).to_be_checked()
    expect(missing(predict)).not_to_be_checked()
    expect(predict.slider("Area m2")).to_be_enabled()


@pytest.mark.slow
def test_a_shared_address_restores_categories_and_missing_values_and_no_nonsense(visitor: Visitor) -> None:
    predict = visitor.predict("?Area+m2-missing=true&city=missing&sea_view=true")
    expect(choice(predict, "city", "missing")).to_be_checked()
    expect(choice(predict, "sea_view", "true")).to_be_checked()
    expect(missing(predict)).to_be_checked()

    predict = visitor.predict("?Area+m2-missing=perhaps&city=&sea_view=%3Cscript%3E&city=Paris")
    expect(choice(predict, "city", "Oslo")).to_be_checked()
    expect(choice(predict, "sea_view", "false")).to_be_checked()
    expect(missing(predict)).not_to_be_checked()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_the_controls_fit_the_page(visitor: Visitor, scheme: str, size: Size) -> None:
    page = visitor.new_page()
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(f"{visitor.stack.dashboard.url}/?Area+m2-missing=true&city=missing")
    settle(page)
    PredictPage(page).compare()
    picture(page, f"mixed-{scheme}", size)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    inputs = page.locator(".st-key-inputs").bounding_box()
    segment = page.locator(".st-key-city").get_by_role("radio", name="missing").bounding_box()
    assert inputs
    assert segment
    assert segment["x"] + segment["width"] <= inputs["x"] + inputs["width"]
