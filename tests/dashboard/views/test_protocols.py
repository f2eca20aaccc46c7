"""The pages over endpoints that are not ours: what their protocols do not tell is unknown, and the rest works."""

from collections.abc import Callable
from pathlib import Path

import pytest

from inference.model import Model
from inference.service import Service
from tests.benchmark.foreign import FOREIGN, url_of
from tests.benchmark.little_server import serving
from tests.dashboard.conftest import Serve
from tests.dashboard.page import Page
from tests.dashboard.views.agreement.test_page import checked

Open = Callable[..., Page]


@pytest.fixture
def page_of(
    visit: Callable[..., Page], serve: Serve, iris_model: Model, service: Service, tmp_path: Path, iris_dir: Path
) -> Open:
    """The dashboard over MLflow and OIP, with or without an endpoint of ours."""

    def page_of(with_ours: bool) -> Page:
        entries = []
        for name in ("mlflow", "oip"):
            foreign = FOREIGN[name]
            url = url_of(serve(foreign.conversation(iris_model)), foreign)
            entries.append(f'[[endpoint]]\nname = "{name.upper()}"\nurl = "{url}"\nprotocol = "{foreign.protocol}"\n')
        if with_ours:
            entries.append(f'[[endpoint]]\nname = "Ours"\nurl = "{serve(serving(service)).url}"\n')
        path = tmp_path / "endpoints.toml"
        path.write_text("".join(entries))
        return visit("", "", ENDPOINTS=str(path), MODEL_DIR=str(iris_dir))

    return page_of


@pytest.mark.parametrize("with_ours", [False, True])
def test_predict_shows_what_each_protocol_tells(page_of: Open, with_ours: bool) -> None:
    page = page_of(with_ours).open().compare()
    assert page.metrics("mlflow")["Species"] == "versicolor"
    assert "Confidence (%)" not in page.metrics("mlflow")
    assert float(page.metrics("oip")["Confidence (%)"]) == pytest.approx(89.0, abs=0.1)
    assert "instance unknown" in page.read("card-mlflow")
    assert ("All three agree" if with_ours else "Both agree") in page.read("verdict")


def test_agreement_asks_only_what_every_protocol_refuses(page_of: Open) -> None:
    said = checked(page_of(True).at("agree").open()).read()
    assert "All three give the same answers" in said
    assert "4 of 4 refused alike" in said
    assert "broken JSON and text for numbers, which no protocol allows" in said
    assert "must refuse each of them with a 4xx status" in said


def test_monitor_says_that_there_are_no_metrics(page_of: Open) -> None:
    said = page_of(True).at("monitor").open().read()
    assert "The protocol mlflow has no metrics: what it counts is unknown." in said
    assert "The protocol oip has no metrics: what it counts is unknown." in said
    assert "cannot be reached" not in said
