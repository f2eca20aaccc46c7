"""The tables to try first, from rows to the page: trained, served as `make run` does, compared in the browser."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Stack, Visitor
from tests.browser.settling import settle
from tests.contract.targets import HttpTarget, predict
from tests.training.tables_to_try import TABLES, Row, check, short_cross_validation, split, table
from tools.deployed import deploy
from tools.processes import all_serving
from training.__main__ import train
from training.datasets import Dataset

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Served:
    """A table, the rows that its model never saw, and the programs that serve the model."""

    dataset: Dataset
    unseen: Sequence[Row]
    made: Path
    stack: Stack


@pytest.fixture(scope="module", params=TABLES)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Both endpoints with the model of one table, and the dashboard."""
    scratch = tmp_path_factory.mktemp(request.param)
    dataset = table(request.param, scratch)
    kept, unseen = split(dataset)
    with short_cross_validation():
        train(kept, scratch / "made")
    deployed = deploy(scratch, scratch / "made")
    with all_serving([*deployed.endpoints, deployed.dashboard()], scratch) as (api, function, dashboard):
        yield Served(dataset, unseen, scratch / "made", Stack(api, function, dashboard, deployed.results_dir()))


@pytest.fixture
def stack(served: Served) -> Stack:
    return served.stack


def test_both_endpoints_equal_scikit_learn_on_rows_never_seen(served: Served) -> None:
    with httpx.Client(trust_env=False, timeout=30) as client:
        both = [HttpTarget(server.name, server.url, client) for server in (served.stack.api, served.stack.function)]
        check(both, served.dataset, served.unseen, served.made)
        if served.dataset.name == "houses":
            for document in ({"features": [None, 3, None, True, 2]}, {"features": [1, 2, "Paris", True, 2]}):
                first, second = (predict(target, document) for target in both)
                assert (first.status, first.body) == (second.status, second.body)
                assert first.status == (200 if document["features"][0] is None else 422)


def test_the_predict_page_works(served: Served, visitor: Visitor) -> None:
    found = visitor.predict()
    page = found.page
    expect(page.get_by_text(served.dataset.title).first).to_be_visible()
    found.compare()
    expect(found.verdict).to_contain_text("Both agree")
    presets = page.locator(".st-key-preset").get_by_role("radio")
    expect(presets.first).to_be_visible()
    presets.last.click()
    settle(page)
    found.compare()
    expect(found.verdict).to_contain_text("Both agree")
    expect(page.get_by_test_id("stException")).to_have_count(0)
    assert len(served.stack.store.latest(served.dataset.name)) == 2
