"""Criteria: found by being there, added in one place, refused by name, and what they say of any number of endpoints."""

import json
import random
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

from benchmark.__main__ import main
from benchmark.decision import criteria
from benchmark.decision.answer import answer
from benchmark.decision.criterion import Judgement, PairResult
from benchmark.decision.evidence import Evidence
from benchmark.decision.needs import Needs, NeedsError
from benchmark.record.recording import add_finished_run
from benchmark.record.store import Store
from benchmark.statistics.verdict import Outcome
from tests.benchmark.decision import toy_criterion
from tests.benchmark.decision.test_decide import PRICES, compared, findings_of


@pytest.fixture
def toy() -> Iterator[str]:
    criteria.register(toy_criterion.CRITERION)
    yield toy_criterion.CRITERION.name
    criteria.unregister(toy_criterion.CRITERION.name)


def test_every_module_of_the_folder_is_a_criterion_of_its_name() -> None:
    modules = {path.stem for path in Path(criteria.__file__).parent.glob("*.py")} - {"__init__"}
    assert set(criteria.names()) == modules == {"latency", "cost", "coldstart"}
    assert criteria.names() == ("latency", "cost", "coldstart")


def test_one_registration_adds_a_criterion_to_the_command_and_its_answer(
    toy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, samples = compared(80, 50)
    add_finished_run(Store(tmp_path), run, samples)
    file = tmp_path / "decision.json"
    assert main(["decide", "--results", str(tmp_path), "--matters", toy, "--json", str(file)]) == 0
    document = json.loads(file.read_text())
    # The slower of the two, which has the shorter name.
    assert document["key"] == "api" and document["sentence"].endswith("its name is shorter.")
    assert document["preferences"] == [
        {"matter": "brevity", "key": "api", "is_tie": False, "reason": "its name is shorter"}
    ]
    assert any(
        one["given"] == "With latency as the first criterion" and one["label"][1] == "function"
        for one in document["flips"]
    )
    capsys.readouterr()
    assert main(["decide", "--results", str(tmp_path), "--matters", f"{toy},latency"]) == 0
    with pytest.raises(SystemExit):
        main(["decide", "--help"])
    assert "latency|cost|coldstart|brevity" in capsys.readouterr().out.replace("\n", "")


def test_a_criterion_of_a_name_that_is_taken_is_refused(toy: str) -> None:
    with pytest.raises(ValueError, match=f"the criterion {toy} already exists"):
        criteria.register(toy_criterion.CRITERION)


def test_an_unknown_criterion_is_an_error_that_names_those_that_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = "'beauty' is not a criterion: choose among latency, cost, coldstart"
    # Also as the last one, which would not come to decide.
    for asked in (("beauty",), ("latency", "beauty")):
        with pytest.raises(NeedsError, match=message):
            answer(Evidence(findings_of(compared(50, 80)), PRICES), Needs(criteria=asked))
        assert main(["decide", "--results", str(tmp_path), "--matters", ",".join(asked)]) == 2
        assert message in capsys.readouterr().err


def judged(count: int, winners: dict[tuple[int, int], int | None]) -> Judgement:
    pairs = tuple(
        PairResult(*pair, Outcome.WINNER if winners[pair] is not None else Outcome.EQUIVALENT, winners[pair])
        for pair in combinations(range(count), 2)
    )
    return Judgement("latency", tuple(range(count)), pairs)


def test_the_leaders_are_the_first_group_of_the_order() -> None:
    """Whoever no chain of "not beaten" separates is one group: recomputed by following all chains."""
    draw = random.Random(1)  # noqa: S311
    sizes = set()
    for _ in range(500):
        count = draw.randint(2, 6)
        winners = {pair: draw.choice([*pair, *pair, None]) for pair in combinations(range(count), 2)}
        reach = {one: {one} for one in range(count)}
        for _ in range(count):
            for (first, second), winner in winners.items():
                if winner != second:
                    reach[first] |= reach[second]
                if winner != first:
                    reach[second] |= reach[first]
        expected = tuple(one for one in range(count) if len(reach[one]) == count)
        found = judged(count, winners)
        assert found.leaders == expected, winners
        sizes.add(len(expected))
        assert (found.preferred is not None) == (len(expected) == 1)
    assert sizes >= {1, 2, 3, 4}


def test_endpoints_that_each_beat_another_one_in_a_circle_leave_the_choice_open() -> None:
    circle = judged(3, {(0, 1): 0, (1, 2): 1, (0, 2): 2})
    assert circle.leaders == (0, 1, 2)
    assert circle.is_circle and not circle.is_tie and circle.preferred is None
