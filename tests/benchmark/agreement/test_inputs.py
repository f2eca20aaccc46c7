"""What endpoints are asked about: valid inputs all over the feature space, and invalid ones."""

import json
from statistics import pstdev

import pytest

from benchmark.agreement import inputs as asked
from inference.card import ModelCard
from inference.contract import ContractError, check_media_type, parse_rows
from tests.benchmark.cards import feature, flat_document, make_card, mileage_document, numbers, tea_outputs


def allowed(card: ModelCard, values: tuple[float, ...]) -> bool:
    return all(one.limits.contain(value) for one, value in zip(numbers(card), values, strict=True))


def test_a_grid_covers_the_training_range_and_more_within_the_limits(tea: ModelCard) -> None:
    inputs = [one.values for one in asked.grid(tea, 125)]
    assert len(set(inputs)) == len(inputs) == 125
    assert all(allowed(tea, values) for values in inputs)
    for index, one in enumerate(numbers(tea)):
        assert min(values[index] for values in inputs) < one.training.minimum
        assert max(values[index] for values in inputs) > one.training.maximum
        assert len({values[index] for values in inputs}) == 5


def test_with_many_features_a_lattice_takes_the_place_of_a_full_grid() -> None:
    features = [feature(f"x{index}", f"X{index}", "", 1.0, 9.0, 5.0) for index in range(12)]
    document = mileage_document(features=features, known_answers=[{"features": [5.0] * 12, "outputs": [1.0]}])
    inputs = [one.values for one in asked.grid(make_card(document), 500)]
    assert len(inputs) == 500
    for index in range(12):
        values = sorted(one[index] for one in inputs)
        # Evenly: each third of the range has about a third of the points.
        third = (values[-1] - values[0]) / 3
        assert 150 < sum(value < values[0] + third for value in values) < 184


def test_grid_values_are_multiples_of_the_step(tea: ModelCard) -> None:
    for one in asked.grid(tea, 216):
        for its, value in zip(numbers(tea), one.values, strict=True):
            assert round(value / its.step) * its.step == pytest.approx(value, abs=1e-9)


def test_limits_take_each_feature_to_both_its_ends(mileage: ModelCard) -> None:
    assert [one.values for one in asked.limits(mileage)] == [
        (1.0, 90.0),
        (3000.0, 90.0),
        (1400.0, 1.0),
        (1400.0, 3000.0),
    ]
    assert all(allowed(mileage, one.values) for one in asked.limits(mileage))


def test_uniform_draws_fill_the_ranges_of_the_grid_evenly_and_are_the_same_for_the_same_seed(tea: ModelCard) -> None:
    inputs = [one.values for one in asked.uniform(tea, 2000, 1)]
    assert len(set(inputs)) == 2000
    assert all(allowed(tea, values) for values in inputs)
    corners = [one.values for one in asked.grid(tea, 8)] + [one.values for one in asked.grid(tea, 27)]
    for index in range(len(numbers(tea))):
        low, high = min(values[index] for values in corners), max(values[index] for values in corners)
        step = numbers(tea)[index].step
        shares = [(values[index] - low) / (high - low) for values in inputs]
        assert min(shares) > -step
        # Four standard errors of a proportion.
        for part in range(4):
            assert sum(part / 4 <= share < (part + 1) / 4 for share in shares) == pytest.approx(500, abs=78)
    assert asked.uniform(tea, 50, 1) == asked.uniform(tea, 2000, 1)[:50]
    assert not set(inputs) & {one.values for one in asked.uniform(tea, 2000, 2)}


def test_noisy_draws_stay_near_the_rows_and_within_the_limits(tea: ModelCard) -> None:
    rows = [(3.0, 1.0, 2.0), (7.0, 3.0, 5.0)]
    inputs = [one.values for one in asked.noisy(tea, rows, 1000, 1)]
    assert len(set(inputs)) == 1000
    assert all(allowed(tea, values) for values in inputs)
    near = [min(rows, key=lambda row: abs(row[0] - values[0])) for values in inputs]
    assert near.count(rows[0]) == pytest.approx(500, abs=64)
    for index, one in enumerate(numbers(tea)):
        moved = [values[index] - row[index] for values, row in zip(inputs, near, strict=True)]
        assert pstdev(moved) == pytest.approx(0.1 * one.training.standard_deviation, rel=0.1)
    assert asked.noisy(tea, [], 1000, 1) == []


def test_noise_takes_no_row_past_the_limits(tea: ModelCard) -> None:
    above = [1e-9 if one.limits.minimum_is_exclusive else 0.0 for one in numbers(tea)]
    lowest = tuple(one.limits.minimum + more for one, more in zip(numbers(tea), above, strict=True))
    highest = tuple(one.limits.maximum for one in numbers(tea))
    assert all(allowed(tea, one.values) for one in asked.noisy(tea, [lowest, highest], 300, 1))


def test_a_plane_goes_row_by_row_and_leaves_the_other_features_alone(tea: ModelCard) -> None:
    across, up, inputs = asked.plane(tea, 0, 2, 4)
    assert len(across) == len(up) == 4
    assert [one.values for one in inputs[:5]] == [
        *((x, tea.defaults[1], up[0]) for x in across),
        (across[0], tea.defaults[1], up[1]),
    ]
    assert all(allowed(tea, one.values) for one in inputs)


def test_bisection_ends_on_both_sides_of_the_boundary(tea: ModelCard) -> None:
    def label(values: tuple[float, ...]) -> float:
        outputs = tea_outputs(values)
        return float(outputs.index(max(outputs)))

    rows: list[tuple[float, ...]] = [(3.2, 1.0, 2.0), (5.2, 2.0, 3.0), (7.0, 3.0, 5.0), (6.9, 3.0, 5.0)]
    found = asked.brackets({row: label(row) for row in rows})
    assert len(found) == asked.BRACKETS
    assert {one.label for one in found} == {0.0, 1.0}
    for _ in range(20):
        found = [one.narrowed(label(one.middle)) for one in found]
    for one in found:
        assert label(one.inside) == one.label != label(one.outside)
        assert max(abs(a - b) for a, b in zip(one.inside, one.outside, strict=True)) < 1e-5
    # Where green ends: at the middle between the centres of the first two kinds.
    assert min(abs(one.values[0] - 4.2) for one in asked.boundary(found)) < 1e-5


def test_a_middle_without_an_answer_leaves_its_bracket_as_it_is() -> None:
    bracket = asked.Bracket((0.0,), (1.0,), 0)
    assert bracket.narrowed(None) == bracket


def test_one_class_alone_has_no_boundary() -> None:
    assert asked.brackets({(1.0,): 0.0, (2.0,): 0.0}) == []


@pytest.mark.parametrize("name", ["tea", "mileage"])
def test_every_invalid_input_is_refused_by_the_contract(name: str, request: pytest.FixtureRequest) -> None:
    card = request.getfixturevalue(name)
    inputs = asked.invalid_inputs(card)
    assert len({one.name for one in inputs}) == len(inputs) == 25
    for one in inputs:
        if one.name == "a body that is too large":  # refused before it is read, by whoever reads
            continue
        with pytest.raises(ContractError):
            check_media_type(one.content_type, None)
            parse_rows(one.body, card)


def test_the_input_that_invalid_ones_are_made_from_is_valid(tea: ModelCard) -> None:
    (form,) = (one for one in asked.invalid_inputs(tea) if one.content_type != "application/json")
    assert parse_rows(form.body, tea).values
    assert json.loads(form.body) == dict(zip(tea.feature_names, tea.defaults, strict=True))


# --- Categories and missing values

FLAT = make_card(flat_document())


def test_every_kind_of_input_has_categories_and_missing_values_that_the_card_accepts() -> None:
    rows = [preset.values for preset in FLAT.presets]
    kinds = {
        "grid": asked.grid(FLAT, 300),
        "limits": asked.limits(FLAT),
        "uniform": asked.uniform(FLAT, 500, 1),
        "noise": asked.noisy(FLAT, rows, 100, 1),
        "plane": asked.plane(FLAT, 0, 1, 5)[2],
    }
    for name, inputs in kinds.items():
        problems = [
            one.problem(value)
            for asked_for in inputs
            for one, value in zip(FLAT.features, asked_for.values, strict=True)
            if one.problem(value)
        ]
        assert not problems, name
    for name in ("limits", "uniform"):
        cities = {one.values[2] for one in kinds[name]}
        assert cities == {"Oslo", "Bergen", "Åsgårdstrand and surroundings", None, "unknown"}, name
        assert {one.values[3] for one in kinds[name]} == {"1", "2", "3", None}, name
        assert any(one.values[0] is None for one in kinds[name]), name
    assert {one.values[2:] for one in kinds["noise"]} == {row[2:] for row in rows}


def test_uniform_draws_take_categories_evenly_and_one_in_ten_missing() -> None:
    inputs = [one.values for one in asked.uniform(FLAT, 2000, 1)]
    assert sum(values[0] is None for values in inputs) == pytest.approx(200, abs=54)
    assert sum(values[4] == "true" for values in inputs) == pytest.approx(1000, abs=90)
    for heating in "123":
        assert sum(values[3] == heating for values in inputs) == pytest.approx(600, abs=82)


def test_numbers_are_drawn_as_before_there_were_categories(tea: ModelCard) -> None:
    assert asked.uniform(tea, 1, 0)[0].values == pytest.approx(
        (3.233760794511327, 3.1513789407836033, 2.8144079358561847)
    )
