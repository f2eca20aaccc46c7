"""What endpoints count of categories and missing values, by name."""

from benchmark.monitor.categories import OddValues, by_category, odd_values
from inference.card import CategoryFeature, ModelCard
from tests.benchmark.cards import category, flat_document, make_card, missing

FLAT = make_card(flat_document())


def kind(card: ModelCard, place: int) -> CategoryFeature:
    found = card.features[place]
    assert isinstance(found, CategoryFeature)
    return found


def test_missing_and_unknown_values_are_told_apart() -> None:
    binned = {"area": (6, 2), "rooms": (8,), "city": (3, 2, 0, 1, 2), "heating": (8, 0, 0, 0), "sea_view": (4, 4)}
    assert odd_values(FLAT, binned) == [
        OddValues("area", 2, 0, 8, 1 / 6),
        OddValues("city", 1, 2, 8, 0.2),
        OddValues("heating", 0, 0, 8, 0.2),
    ]


def test_counts_that_do_not_fit_the_card_are_left_out() -> None:
    assert odd_values(FLAT, {}) == []
    assert odd_values(FLAT, {"area": (6,), "city": (1, 2, 3)}) == []
    assert by_category(kind(FLAT, 2), (1, 2, 3), 12) == {}


def test_values_are_counted_by_category() -> None:
    city = kind(FLAT, 2)
    assert by_category(city, (3, 2, 0, 1, 2), 12) == {
        "Oslo": 3,
        "Bergen": 2,
        "Åsgårdstrand and surroundings": 0,
        "missing": 1,
        "unknown": 2,
    }
    assert by_category(city, (3, 2, 4, 1, 2), 2) == {"Oslo": 3, "others": 6, "missing": 1, "unknown": 2}
    assert by_category(kind(FLAT, 4), (7, 8), 12) == {"false": 7, "true": 8}


def test_a_category_that_is_called_missing_is_not_taken_for_one() -> None:
    entry = missing(category("kind", "Kind", {"missing": 2, "others": 1, "a": 1}), 1)
    answers = [{"features": ["a"], "outputs": [1.0]}]
    odd = kind(make_card(flat_document(features=[entry], presets=[], known_answers=answers)), 0)
    assert by_category(odd, (5, 4, 3, 2), 2) == {"missing": 5, "(others)": 7, "(missing)": 2}
