"""Comparing the outcomes of endpoints: what is the same, what differs, and the kind of each difference."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from benchmark.agreement import text
from benchmark.agreement.compare import Kind, Tally, compare, tally
from benchmark.agreement.inputs import Input, Invalid, Source
from benchmark.agreement.outcomes import InputOutcome, InvalidResult, Refusal, read_outcomes, read_refusal
from benchmark.agreement.rounding import decimals
from benchmark.agreement.text import bound_percent, bounds, headline
from benchmark.endpoints.protocols.faceoff import OTHER_LABEL, PROTOCOL
from benchmark.endpoints.sample import Answer, Failure
from benchmark.statistics.estimates import upper_bound
from inference.card import ModelCard
from tests.benchmark.cards import tea_outputs

LENGTHS = [3.01 + 0.05 * index for index in range(80)]
NAMES = ("api", "function")
FIELDS = ("confidence", "model_version", "prediction", "prediction_label", "probabilities")


def outcome(card: ModelCard, shares: Sequence[float]) -> InputOutcome:
    index = list(shares).index(max(shares))
    return InputOutcome(200, answer=Answer(index, card.classes[index], max(shares), tuple(shares), "v"), fields=FIELDS)


def outcomes(card: ModelCard) -> list[InputOutcome]:
    return [outcome(card, tea_outputs([length])) for length in LENGTHS]


def value(prediction: float) -> InputOutcome:
    return InputOutcome(200, answer=Answer(prediction), fields=("prediction",))


def test_the_same_answers_agree(tea: ModelCard) -> None:
    found = compare([outcomes(tea), outcomes(tea)], tea)
    assert (found.compared, found.not_compared, found.differences) == (80, 0, ())
    assert headline(NAMES, found, Tally(80, 80, 0)) == "0 disagreements in 80 inputs."
    assert headline(NAMES, found, Tally(80, 1, 1)) == "1 disagreement in 1 input."
    assert headline(NAMES, found, Tally(80, 0, 0)) == "Nothing was compared: no input got an answer from both."


def test_five_inputs_that_are_asked_500_times_are_five_inputs(tea: ModelCard) -> None:
    inputs = [Input("uniform", (LENGTHS[index % 5],)) for index in range(500)]
    same = [outcome(tea, tea_outputs(one.values)) for one in inputs]
    silent = [InputOutcome(failure=Failure.TIMEOUT) if index % 5 == 4 else one for index, one in enumerate(same)]
    found = tally(inputs, (same, silent), compare([same, silent], tea))
    assert (found.asked, found.compared, found.not_compared, found.disagreements) == (5, 4, 1, 0)
    assert found.upper_bound == pytest.approx(1 - 0.05 ** (1 / 4))


def test_an_input_that_differs_once_of_many_times_differs(tea: ModelCard) -> None:
    inputs = [Input("rows", (3.5,))] * 3 + [Input("noise", (4.0,))]
    same = [outcome(tea, tea_outputs(one.values)) for one in inputs]
    once = [same[0], outcome(tea, [0.1, 0.8, 0.1]), *same[2:]]
    agreement = compare([same, once], tea)
    assert tally(inputs, (same, once), agreement) == Tally(2, 2, 1)
    assert tally(inputs, (same, once), agreement, "noise") == Tally(1, 1, 0)


def test_a_bound_is_said_with_its_sample_its_seed_and_never_rounded_down() -> None:
    sampled: dict[Source, Tally] = {"uniform": Tally(300, 300, 0), "noise": Tally(300, 200, 2)}
    assert bounds(sampled, 7) == (
        "With 95% confidence at most 1% of inputs drawn uniformly over the ranges disagree (0 of 300 do) and "
        "at most 3.2% of rows drawn at random with noise disagree (2 of 200 do); seed 7."
    )
    assert bounds({}, 7) == bounds({"uniform": Tally(300, 300, 299)}, 7) == ""
    for found in (Tally(n, n, count) for n in (1, 7, 300, 10_000) for count in (0, 1)):
        assert float(bound_percent(found)) >= 100 * found.upper_bound - 1e-9


def test_the_upper_bound_is_the_exact_one() -> None:
    # Clopper and Pearson: the share at which so few or fewer have a chance of 5%.
    assert upper_bound(0, 100) == pytest.approx(1 - 0.05 ** (1 / 100))
    share = upper_bound(2, 50)
    chance = (1 - share) ** 50 + 50 * share * (1 - share) ** 49 + 1225 * share**2 * (1 - share) ** 48
    assert chance == pytest.approx(0.05)
    assert upper_bound(5, 5) == upper_bound(0, 0) == 1.0


def test_differences_within_the_tolerance_are_arithmetic(tea: ModelCard) -> None:
    shifted = [
        outcome(tea, [a + 4e-6, b - 4e-6, c])
        for one in outcomes(tea)
        if one.answer and one.answer.probabilities
        for a, b, c in [one.answer.probabilities]
    ]
    assert compare([outcomes(tea), shifted], tea).differences == ()
    assert compare([outcomes(tea), shifted], tea).largest_gap == pytest.approx(4e-6)
    assert len(compare([outcomes(tea), shifted], tea, tolerance=1e-6).differences) == 80


def test_rounding_is_named_with_its_digits(tea: ModelCard) -> None:
    rounded = [outcome(tea, [round(share, 2) for share in tea_outputs([length])]) for length in LENGTHS]
    found = compare([outcomes(tea), rounded], tea)
    assert set(found.by_kind) == {Kind.ROUNDED}
    assert "function: probabilities rounded to 2 digits." in text.findings(found, NAMES)
    assert not any(finding.startswith("api") for finding in text.findings(found, NAMES))


def test_0_98_against_0_9766_of_the_same_model_is_rounding_to_2_digits(tea: ModelCard) -> None:
    exact, rounded = outcome(tea, [0.9766123, 0.0201877, 0.0032]), outcome(tea, [0.98, 0.02, 0.0])
    found = compare([[exact], [rounded]], tea)
    assert found.differences[0].kinds == (Kind.ROUNDED,)
    assert "function: probabilities rounded to 2 digits." in text.findings(found, NAMES)


def test_more_than_rounding_is_not_called_rounding(tea: ModelCard) -> None:
    exact, other = outcome(tea, [0.9766123, 0.0201877, 0.0032]), outcome(tea, [0.97, 0.03, 0.0])
    assert compare([[exact], [other]], tea).differences[0].kinds == (Kind.VALUE,)


def test_a_saturated_model_is_not_one_that_rounds(tea: ModelCard) -> None:
    first = [outcome(tea, [0.61234567891, 0.38765432109, 0.0]), outcome(tea, [0.71234567891, 0.28765432109, 0.0])]
    second = [outcome(tea, [1.0, 0.0, 0.0]), outcome(tea, [0.91234567891, 0.08765432109, 0.0])]
    assert set(compare([first, second], tea).by_kind) == {Kind.VALUE}


def test_swapped_classes_are_named(tea: ModelCard) -> None:
    swapped = [outcome(tea, [b, a, c]) for a, b, c in (tea_outputs([length]) for length in LENGTHS)]
    found = compare([outcomes(tea), swapped], tea)
    assert set(found.by_kind) == {Kind.CLASS_ORDER}
    assert text.findings(found, NAMES) == [
        "The classes are in another order: what api gives for function is green as oolong, oolong as green."
    ]


def test_swapped_classes_are_found_in_rounded_answers_too(tea: ModelCard) -> None:
    swapped = [
        outcome(tea, [round(share, 2) for share in (b, a, c)])
        for a, b, c in (tea_outputs([length]) for length in LENGTHS)
    ]
    found = compare([outcomes(tea), swapped], tea)
    assert Kind.CLASS_ORDER in found.by_kind
    assert "another order" in text.findings(found, NAMES)[0]


def test_swapped_labels_without_probabilities_are_named(tea: ModelCard) -> None:
    def bare(one: InputOutcome, order: tuple[int, int, int]) -> InputOutcome:
        assert one.answer
        index = order[int(one.answer.prediction)]
        return replace(one, answer=Answer(index, tea.classes[index]), fields=("prediction",))

    first = [bare(one, (0, 1, 2)) for one in outcomes(tea)]
    found = compare([first, [bare(one, (1, 0, 2)) for one in outcomes(tea)]], tea)
    assert set(found.by_kind) == {Kind.CLASS_ORDER}
    constant = [replace(first[0], answer=Answer(0, "green")) for _ in first]
    assert set(compare([first, constant], tea).by_kind) == {Kind.LABEL}


def test_an_answer_whose_label_is_not_its_prediction_has_its_classes_mixed_up(tea: ModelCard) -> None:
    broken = InputOutcome(200, Failure.WRONG_SCHEMA, OTHER_LABEL)
    found = compare([outcomes(tea)[:1], [broken]], tea)
    assert found.differences[0].kinds == (Kind.CLASS_ORDER,)


def test_another_model_is_a_difference_of_labels_and_values(tea: ModelCard) -> None:
    other = [outcome(tea, tea_outputs([length + 0.7])) for length in LENGTHS]
    found = compare([outcomes(tea), other], tea)
    assert set(found.by_kind) == {Kind.LABEL, Kind.VALUE}
    assert found.findings == ()
    assert found.worst(3)[0].kinds[0] is Kind.LABEL
    gaps = [one.gap or 0 for one in found.worst(3)]
    assert gaps == sorted(gaps, reverse=True)


def test_another_label_at_a_tie_says_that_it_is_one(tea: ModelCard) -> None:
    one, other = outcome(tea, [0.500001, 0.499999, 0.0]), outcome(tea, [0.499999, 0.500001, 0.0])
    (difference,) = compare([[one], [other]], tea).differences
    assert difference.kinds == (Kind.LABEL,)
    assert "near tie" in text.detail(difference)
    far = replace(outcome(tea, [0.9, 0.1, 0.0]), answer=Answer(1, "oolong", 0.9, (0.9, 0.1, 0.0), "v"))
    (difference,) = compare([[outcome(tea, [0.9, 0.1, 0.0])], [far]], tea).differences
    assert "near tie" not in text.detail(difference)
    (difference,) = compare([[outcome(tea, [0.9, 0.1, 0.0])], [outcome(tea, [0.1, 0.9, 0.0])]], tea).differences
    assert "near tie" not in text.detail(difference)


def test_another_status_and_other_fields_are_differences(tea: ModelCard) -> None:
    good = outcomes(tea)[0]
    failed = InputOutcome(500, Failure.SERVER_ERROR)
    fewer = replace(good, fields=tuple(name for name in FIELDS if name != "confidence"))
    found = compare([[good, good], [failed, fewer]], tea)
    assert [one.kinds for one in found.differences] == [(Kind.STATUS,), (Kind.SCHEMA,)]
    assert text.detail(found.differences[0]) == "HTTP 200 and HTTP 500"
    assert text.findings(found, NAMES) == ["function never gives confidence."]


def test_what_has_no_answer_from_both_is_not_compared(tea: ModelCard) -> None:
    good, silent, failed = (
        outcomes(tea)[0],
        InputOutcome(failure=Failure.TIMEOUT),
        InputOutcome(422, Failure.CLIENT_ERROR),
    )
    found = compare([[good, failed], [silent, failed]], tea)
    assert (found.compared, found.not_compared) == (0, 2)


def test_values_are_compared_relative_to_their_size(mileage: ModelCard) -> None:
    first = [value(30000.123456789), value(0.00123456789)]
    near = [value(30000.123456789 * (1 + 5e-6)), value(0.00123456789)]
    assert compare([first, near], mileage).differences == ()
    far = [value(30000.123456789), value(0.00123456789 * 1.1)]
    (difference,) = compare([first, far], mileage).differences
    assert difference.kinds == (Kind.VALUE,)
    assert difference.gap == pytest.approx(0.1 / 1.1)


def test_rounded_values_are_named(mileage: ModelCard) -> None:
    exact = [3.14159265358, 2.71828182845, 1.41421356237]
    found = compare([[value(one) for one in exact], [value(round(one, 1)) for one in exact]], mileage)
    assert set(found.by_kind) == {Kind.ROUNDED}
    assert text.findings(found, NAMES) == ["function: prediction rounded to 1 digit."]


def test_decimals_are_counted_as_they_are_written() -> None:
    assert [decimals(one) for one in (0.0, 1.0, 0.5, 0.98, 0.1234, 1e-6)] == [0, 0, 1, 2, 4, 6]
    assert decimals(0.9766123456) is None
    assert decimals(1 / 3) is None


def test_a_batch_answer_has_to_have_as_many_answers_as_rows(tea: ModelCard) -> None:
    body = b'{"predictions": [{"prediction": 0}, {"prediction": 9}], "model_version": "7"}'
    many = PROTOCOL.forms["instances"]
    found = read_outcomes(200, body, tea, PROTOCOL, many, 2)
    assert found
    assert found[0].answer == Answer(0, "green", model_version="7")
    assert found[1].failure is Failure.WRONG_SCHEMA
    assert read_outcomes(200, body, tea, PROTOCOL, many, 3) is None
    assert read_outcomes(500, body, tea, PROTOCOL, many, 2) is None
    assert read_outcomes(200, b"[]", tea, PROTOCOL, many, 2) is None
    assert read_outcomes(200, b"{", tea, PROTOCOL, many, 2) is None


def test_a_refusal_has_a_status_and_perhaps_a_code() -> None:
    assert read_refusal(422, b'{"error": {"code": "invalid_input"}}') == Refusal(422, "invalid_input")
    assert read_refusal(500, b"Internal Server Error") == Refusal(500)
    assert read_refusal(422, b'{"error": {"code": 7}}') == Refusal(422)
    assert text.refusal(Refusal(422, "invalid_input")) == "422 invalid_input"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Refusal(422, "invalid_input"), Refusal(422, "invalid_input"), True),
        (Refusal(422, "invalid_input"), Refusal(422, "other"), False),
        (Refusal(400), Refusal(422), False),
        (Refusal(200), Refusal(200), False),
        (Refusal(500), Refusal(500), False),
        (Refusal(None), Refusal(None), False),
    ],
)
def test_only_what_both_refuse_is_refused_alike(one: Refusal, other: Refusal, same: bool) -> None:
    assert InvalidResult(Invalid("not JSON", b"{"), (one, other)).same is same


def test_what_is_no_refusal_is_called_what_it_is() -> None:
    assert [text.refusal(Refusal(status)) for status in (200, 400, 503, None)] == [
        "200 (accepted)",
        "400",
        "503 (crashed)",
        "no answer",
    ]


# --- One, three and six endpoints

THREE = ("A", "B", "C")


def changed(card: ModelCard, count: int, shares: Sequence[float] = (0.1, 0.8, 0.1)) -> list[InputOutcome]:
    """Outcomes of which the first `count` are others."""
    return [outcome(card, shares)] * count + outcomes(card)[count:]


def inputs_of(found: Sequence[InputOutcome]) -> list[Input]:
    return [Input("uniform", (length,)) for length, _ in zip(LENGTHS, found, strict=True)]


def said(card: ModelCard, names: Sequence[str], sides: Sequence[Sequence[InputOutcome]]) -> str:
    agreement = compare(sides, card)
    return headline(names, agreement, tally(inputs_of(sides[0]), sides, agreement))


def test_three_that_agree_are_said_to_do_so_together(tea: ModelCard) -> None:
    assert said(tea, THREE, [outcomes(tea)] * 3) == "All three give the same answers on 80 inputs."


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ((0, 3, 0), "B differs from A and C on 3 of 80 inputs."),
        ((3, 0, 0), "A differs from B and C on 3 of 80 inputs."),
        ((3, 0, 0, 0), "A differs from B, C and D on 3 of 80 inputs."),
        ((0, 3, 3, 0), "B and C differ from A and D on 3 of 80 inputs."),
        ((0, 3, 5, 0), "The four endpoints disagree on 5 of 80 inputs; 5 of 6 pairs differ."),
        ((0, 0, 0, 0, 0, 2), "F differs from A, B, C, D and E on 2 of 80 inputs."),
    ],
)
def test_who_differs_from_whom_is_said_where_it_is_simple(tea: ModelCard, counts: Sequence[int], sentence: str) -> None:
    assert said(tea, "ABCDEF"[: len(counts)], [changed(tea, count) for count in counts]) == sentence


def test_of_three_where_each_differs_from_each_the_pairs_are_counted(tea: ModelCard) -> None:
    sides = [outcomes(tea), changed(tea, 3), changed(tea, 4, (0.2, 0.2, 0.6))]
    assert said(tea, THREE, sides) == "The three endpoints disagree on 4 of 80 inputs; 3 of 3 pairs differ."
    counts = {(pair.first, pair.second): len(pair.differences) for pair in compare(sides, tea).pairs}
    assert counts == {(0, 1): 3, (0, 2): 4, (1, 2): 4}


def test_a_difference_that_only_one_pair_shows_names_that_pair(tea: ModelCard) -> None:
    # Agreement within a tolerance is not transitive: the middle one agrees with both.
    def shifted(by: float) -> list[InputOutcome]:
        return [outcome(tea, [0.6 + by, 0.3 - by, 0.1])] * 80

    assert said(tea, THREE, [shifted(0), shifted(8e-6), shifted(1.6e-5)]) == "C differs from A on 80 of 80 inputs."


def test_an_input_that_one_of_three_lost_is_compared_only_if_the_others_differ(tea: ModelCard) -> None:
    silent = [InputOutcome(failure=Failure.TIMEOUT)] * 80
    sides = [outcomes(tea), changed(tea, 3), silent]
    agreement = compare(sides, tea)
    assert (agreement.compared, agreement.not_compared) == (3, 77)
    assert [pair.compared for pair in agreement.pairs] == [80, 0, 0]
    # A bound over what was compared never gains from what was lost.
    assert tally(inputs_of(silent), sides, agreement) == Tally(80, 3, 3)
    assert said(tea, THREE, [outcomes(tea), outcomes(tea), silent]) == (
        "Nothing was compared: no input got an answer from all three."
    )


def test_an_input_counts_once_however_many_pairs_differ_on_it(tea: ModelCard) -> None:
    agreement = compare([changed(tea, 2), *[outcomes(tea)] * 5], tea)
    assert len(agreement.pairs) == 15
    assert len(agreement.differences) == 10
    assert agreement.differing == {0, 1}
    assert sum(agreement.by_kind.values()) <= 2 * len(agreement.by_kind)
    assert [one.index for one in agreement.worst(10)] == [0, 1]


def test_an_endpoint_that_rounds_is_named_once_among_six(tea: ModelCard) -> None:
    rounded = [outcome(tea, [round(share, 2) for share in tea_outputs([length])]) for length in LENGTHS]
    found = compare([outcomes(tea), rounded, *[outcomes(tea)] * 4], tea)
    assert text.findings(found, "ABCDEF") == [
        "B: probabilities rounded to 2 digits.",
        "B: confidence rounded to 2 digits.",
    ]


def test_an_endpoint_that_mixes_up_its_classes_is_named_once_among_four(tea: ModelCard) -> None:
    swapped = [outcome(tea, [b, a, c]) for a, b, c in (tea_outputs([length]) for length in LENGTHS)]
    found = compare([outcomes(tea), outcomes(tea), swapped, outcomes(tea)], tea)
    assert text.findings(found, "ABCD") == [
        "The classes are in another order: what A gives for C is green as oolong, oolong as green."
    ]


def test_one_endpoint_has_no_pairs_and_nothing_compared(tea: ModelCard) -> None:
    found = compare([outcomes(tea)], tea)
    assert (found.pairs, found.compared, found.largest_gap) == ((), 0, 0.0)
    assert headline(["A"], found, Tally(80, 0, 0)) == ("A is the only endpoint, so its answers were not compared.")


def test_an_invalid_input_is_refused_alike_only_by_all() -> None:
    refused, other, silent = Refusal(422, "invalid_input"), Refusal(400), Refusal(None)
    invalid = Invalid("not JSON", b"{")
    assert InvalidResult(invalid, (refused,) * 6).same
    assert InvalidResult(invalid, (refused,)).same
    assert not InvalidResult(invalid, (Refusal(200),)).same
    three = InvalidResult(invalid, (refused, refused, other))
    assert three.compared and not three.same
    lost = InvalidResult(invalid, (refused, refused, silent))
    assert not lost.compared and not lost.same
    assert InvalidResult(invalid, (refused, other, silent)).compared


def test_the_rows_of_three_have_every_answer_and_name_the_pair_that_differs(tea: ModelCard) -> None:
    sides = [outcomes(tea), changed(tea, 1), outcomes(tea)]
    first, second, *_ = text.results_table(inputs_of(sides[0]), sides, compare(sides, tea), _one_feature(tea), "abc")
    assert [first[f"{key} prediction"] for key in "abc"] == ["green", "oolong", "green"]
    assert first["agree"] == "no"
    assert first["difference"].startswith("a and b: label, value: green and oolong")
    assert "; b and c: label, value: oolong and green" in first["difference"]
    assert (second["agree"], second["difference"]) == ("yes", "")


def _one_feature(card: ModelCard) -> ModelCard:
    return replace(card, features=card.features[:1])


def test_predictions_near_0_are_compared_on_the_scale_of_the_target(mileage: ModelCard) -> None:
    card = replace(mileage, target_spread=50.0)
    assert compare([[value(1e-9)], [value(-2e-9)]], card).differences == ()
    assert compare([[value(1e-9)], [value(-2e-9)]], mileage).differences
    near, far = compare([[value(1e-4)], [value(5e-4)]], card), compare([[value(1e-4)], [value(7e-4)]], card)
    assert near.differences == () and near.largest_gap == pytest.approx(8e-6)
    assert [one.gap for one in far.differences] == [pytest.approx(1.2e-5)]
    # A value beyond the spread is still held against itself.
    assert compare([[value(1e6)], [value(1e6 + 9)]], card).differences == ()
    assert compare([[value(1e6)], [value(1e6 + 11)]], card).differences
