"""The maps of the Agreement page as data, and the words beside them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from benchmark.agreement.audit import Audit, Side, Surface
from benchmark.agreement.compare import compare
from benchmark.agreement.inputs import Input, Invalid, plane
from benchmark.agreement.models import ModelDifference, OtherCards
from benchmark.agreement.outcomes import InputOutcome, InvalidResult, Refusal
from benchmark.endpoints.sample import Answer, Failure
from dashboard.components.theme import DARK, LIGHT, Palette
from dashboard.views.agreement import charts
from dashboard.views.agreement import text as say
from inference.card import ModelCard
from tests.benchmark.cards import make_card, mileage_document, mileage_outputs, tea_document, tea_outputs
from tests.dashboard.figures import with_validation
from tests.dashboard.views.predict.test_charts import titles

draw = with_validation(charts)

TEA = make_card(tea_document())
MILEAGE = make_card(mileage_document())
NAMES = ("FastAPI", "Cloud <Function>")
PALETTES = pytest.mark.parametrize("colors", [LIGHT, DARK], ids=["light", "dark"])

Change = Callable[[InputOutcome], InputOutcome]


def answered(card: ModelCard, values: Sequence[float]) -> InputOutcome:
    if not card.is_classifier:
        return InputOutcome(200, answer=Answer(mileage_outputs(values)[0]))
    shares = tea_outputs(values)
    index = shares.index(max(shares))
    return InputOutcome(200, answer=Answer(index, card.classes[index], max(shares), tuple(shares)))


def surface(card: ModelCard, change: Change = lambda outcome: outcome) -> Surface:
    """Five by five points over the first two features; `change` is applied to every third of the second's answers."""
    across, up, inputs = plane(card, 0, 1, 5)
    one = [answered(card, each.values) for each in inputs]
    other = [change(outcome) if index % 3 == 0 else outcome for index, outcome in enumerate(one)]
    return Surface(card, NAMES, 0, 1, across, up, inputs, (one, other), compare([one, other], card))


def surface_of_three(change: Change) -> Surface:
    """The same with a third endpoint, which answers as the first one."""
    both = surface(TEA, change)
    outcomes = (*both.outcomes, both.outcomes[0])
    return replace(both, names=(*NAMES, "Third"), outcomes=outcomes, agreement=compare(outcomes, TEA))


def to_black(outcome: InputOutcome) -> InputOutcome:
    return replace(outcome, answer=Answer(2, "black", 0.9, (0.05, 0.05, 0.9)))


def lost(_: InputOutcome) -> InputOutcome:
    return InputOutcome(failure=Failure.TIMEOUT)


@PALETTES
def test_classes_have_their_colours_and_their_names_in_their_regions(colors: Palette) -> None:
    figure = draw.surface_of(surface(TEA), 0, colors)
    (heatmap,) = figure.data
    assert [color for _, color in heatmap.colorscale] == [
        color for index in range(3) for color in [colors.class_color(index)] * 2
    ]
    assert (heatmap.zmin, heatmap.zmax) == (-0.5, 2.5)
    assert len(heatmap.z) == len(heatmap.z[0]) == 5
    assert {note.text for note in figure.layout.annotations} == {"<b>green</b>", "<b>oolong</b>", "<b>black</b>"}
    assert titles(figure) == ["Leaf length (cm)", "Leaf width (cm)"]
    assert "green, " in heatmap.text[0][0]


def test_values_share_one_scale_at_both_endpoints() -> None:
    both = surface(MILEAGE, lambda outcome: replace(outcome, answer=Answer(99.0)))
    first, second = (draw.surface_of(both, side, LIGHT).data[0] for side in (0, 1))
    assert (first.zmin, first.zmax) == (second.zmin, second.zmax)
    assert second.zmax == 99.0
    assert first.colorbar.title.text == "Consumption (l/100 km)"


def test_no_difference_is_said_in_the_map_with_its_n() -> None:
    figure = draw.difference(surface(TEA), LIGHT)
    assert [note.text for note in figure.layout.annotations] == ["no difference at 25 points"]
    assert len(figure.data) == 1
    assert not figure.data[0].showscale


def test_differences_are_where_they_were_found() -> None:
    both = surface(TEA, to_black)
    gaps = draw.gaps_of(both)
    differing = {one.index for one in both.agreement.differences}
    assert {index for index, gap in enumerate(gaps) if gap} == differing
    heatmap, crosses = draw.difference(both, LIGHT).data
    assert heatmap.z[0][0] == gaps[0]
    moved = [one for one in both.agreement.differences if "label" in one.kinds]
    assert crosses.name == f"different answer (n = {len(moved)})"
    assert len(crosses.x) == len(moved)


def test_points_without_an_answer_are_holes() -> None:
    both = surface(TEA, lost)
    figure = draw.surface_of(both, 1, LIGHT)
    assert figure.data[0].z[0][0] is None
    assert figure.data[0].text[0][0] == "no answer (timeout)"
    assert draw.gaps_of(both)[0] is None
    assert draw.answered(both.outcomes[1]) == 16
    nothing = replace(both, outcomes=([lost(InputOutcome())] * 25, [lost(InputOutcome())] * 25))
    nothing = replace(nothing, agreement=compare(nothing.outcomes, TEA))
    assert draw.difference(nothing, LIGHT).layout.annotations[0].text == "nothing to compare"


def test_the_table_has_every_point_and_both_answers() -> None:
    rows = draw.surface_table(surface(TEA, to_black))
    assert len(rows) == 25
    assert list(rows[0]) == ["Leaf length (cm)", "Leaf width (cm)", *NAMES, "difference"]
    assert rows[0]["Cloud <Function>"] == "black"
    assert rows[0]["difference"].startswith("green and black")


# --- Words


REFUSED = Refusal(422, "invalid_input")
OTHER = OtherCards((0, 1), (("Tea", "v1"), ("Tea", "v2")))


def audit(
    change: Change = lambda outcome: outcome,
    refusals: tuple[Refusal, ...] = (REFUSED, REFUSED),
    models: tuple[ModelDifference, ...] = (),
    shown: Surface | None = None,
) -> Audit:
    shown = shown or surface(TEA, change)
    inputs = tuple(Input("rows", one.values, line) for line, one in enumerate(shown.inputs, 2))
    invalid = (InvalidResult(Invalid("a | pipe", b""), refusals),)
    sides = tuple(Side(name.lower(), name, "instances") for name in shown.names)
    return Audit(
        TEA, sides, inputs, shown.outcomes, shown.agreement, invalid, models, seed=0, at_utc="2026-01-01T00:00"
    )


@pytest.mark.parametrize(
    ("found", "outcome", "said"),
    [
        (audit(), "agree", "They agree"),
        (audit(to_black), "disagree", "They disagree"),
        (audit(refusals=(REFUSED, Refusal(500))), "disagree", "Not all refused alike"),
        (audit(refusals=(Refusal(200), Refusal(200))), "disagree", "Not all refused alike"),
        (audit(refusals=(REFUSED, Refusal(None))), "unknown", "Not all compared"),
        (audit(lost), "unknown", "Not all compared"),
        (audit(models=(OTHER,)), "disagree", "Different models"),
    ],
)
def test_the_verdict_is_a_word_and_a_sentence(found: Audit, outcome: str, said: str) -> None:
    verdict = say.verdict(found)
    assert (verdict.outcome, verdict.headline) == (outcome, said)
    assert "disagreement" in verdict.sentence


def test_which_model_is_served_comes_first() -> None:
    assert say.verdict(audit(to_black, models=(OTHER,))).sentence.startswith("FastAPI serves")


def test_every_worst_difference_links_to_its_input() -> None:
    found = audit(to_black)
    lines = say.worst_table(found, 3).splitlines()
    assert len(lines) == 2 + 3
    query = lines[2].partition("](./?")[2].partition(")")[0]
    values = found.inputs[found.agreement.worst(1)[0].index].values
    assert [float(parse_qs(query)[name][0]) for name in TEA.feature_names] == pytest.approx(values, abs=0.05 + 1e-9)


def test_other_people_s_text_stays_in_its_cell() -> None:
    table = say.invalid_table(audit(refusals=(REFUSED, Refusal(500))).invalid, NAMES)
    assert "a \\| pipe" in table
    assert "Cloud \\<Function\\>" in table
    assert "**no**" in table


# --- Three endpoints


def test_the_differences_of_three_are_the_largest_of_any_pair_and_name_it() -> None:
    three = surface_of_three(to_black)
    both = surface(TEA, to_black)
    assert draw.gaps_of(three) == draw.gaps_of(both)
    crosses = draw.difference(three, LIGHT).data[1]
    assert len(crosses.x) == len(draw.difference(both, LIGHT).data[1].x)  # a point is one cross, not one a pair
    assert crosses.text[0].startswith("FastAPI and Cloud &lt;Function&gt;: ")
    rows = draw.surface_table(three)
    assert list(rows[0])[2:] == [*NAMES, "Third", "difference"]


def test_of_three_the_pairs_with_the_first_are_listed_and_the_others_that_disagree() -> None:
    found = audit(shown=surface_of_three(to_black))
    lines = say.pairs_table(found).splitlines()[2:]
    assert [line.split(" | ")[0] for line in lines] == [
        "| FastAPI and Cloud \\<Function\\>",
        "| FastAPI and Third",
        "| Cloud \\<Function\\> and Third",
    ]
    assert lines[1].endswith("| \N{EN DASH} | 25 | 0 | 0 |")
    assert say.pairs_note(found) == ""
    alike = audit(shown=surface_of_three(lambda outcome: outcome))
    assert len(say.pairs_table(alike).splitlines()) == 2 + 2
    assert say.pairs_note(alike) == "The other pair agreed on every input that both answered."
    assert say.verdict(alike).sentence == "All three give the same answers on 25 inputs."


def test_the_worst_of_three_name_their_pair() -> None:
    assert "FastAPI and Cloud \\<Function\\>\\: " in say.worst_table(audit(shown=surface_of_three(to_black)), 1)


def test_failures_are_told_with_their_number() -> None:
    assert say.failures(audit(lost)) == ["Cloud <Function>: 9 of 25 inputs no answer (timeout)."]
